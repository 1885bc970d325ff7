"""Checks all images of data sets and their annotations."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from utils.annotations.cached.scan_cache import ScanCache
from utils.annotations.check import CheckedEntry, check_box, check_entry, scale
from utils.annotations.raw import Entry, Finding, Problem
from utils.progress import progress_bar


def check_all(
    splits: dict[str, list[Entry]], findings: list[Finding], cache: ScanCache, progress: bool
) -> dict[str, list[CheckedEntry]]:
    """Check each entry once and drop the skipped images; the order stays the same."""
    entries = list(dict.fromkeys(entry for items in splits.values() for entry in items))
    results = _with_fractions_scaled(_check(entries, cache, progress))
    findings += [finding for result in results.values() for finding in result.findings]
    return {
        split: [results[entry] for entry in items if not results[entry].is_skipped]
        for split, items in splits.items()
    }


def _check(entries: list[Entry], cache: ScanCache, progress: bool) -> dict[Entry, CheckedEntry]:
    bar = progress_bar(total=len(entries), desc="checking images", unit="image", shown=progress)
    # Only decoding images runs in parallel; if all are cached, threads would only take longer.
    decodes = not all(cache.has(entry.image) for entry in entries)
    check = partial(check_entry, cache=cache)
    pool = ThreadPoolExecutor() if decodes else None
    results: dict[Entry, CheckedEntry] = {}
    try:
        for result in pool.map(check, entries) if pool else map(check, entries):
            results[result.entry] = result
            bar.update()
    finally:
        if pool:
            pool.shutdown(cancel_futures=True)
        bar.close()
    return results


def _with_fractions_scaled(
    results: dict[Entry, CheckedEntry],
) -> dict[Entry, CheckedEntry]:
    """Multiply boxes by the image size if all that should be in pixels are fractions of it."""
    in_pixels = [result for result in results.values() if result.in_pixels and result.objects]
    if not in_pixels or not all(map(_has_fractions, in_pixels)):
        return results
    return results | {result.entry: _scaled(result) for result in in_pixels}


def _has_fractions(result: CheckedEntry) -> bool:
    """Whether all corners of an image lie within its first pixel, and not all on its edges."""
    corners = [corner for item in result.objects for corner in item.corners]
    return max(corners) <= 1 and not all(corner == round(corner) for corner in corners)


def _scaled(result: CheckedEntry) -> CheckedEntry:
    objects, findings = [], [f for f in result.findings if f.problem is not Problem.BELOW_A_PIXEL]
    first = ", ".join(f"{corner:g}" for corner in result.objects[0].corners)
    detail = f"{len(result.objects)} boxes, the first [{first}]"
    findings.append(Finding(Problem.FRACTIONS, result.entry.file, result.entry.image.name, detail))
    for item in result.objects:
        kept, found = check_box(scale(item, result.size), result.size, result.entry)
        objects += kept
        findings += found
    return replace(result, objects=objects, findings=findings)
