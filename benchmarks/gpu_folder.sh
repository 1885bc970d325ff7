#!/usr/bin/env bash
# Packs what a machine with a GPU lacks that has JAX or PyTorch, but no network:
#
#   bash benchmarks/gpu_folder.sh FOLDER DATA [PYTHON [PACKAGE...]]
#
# FOLDER receives wheels for Python PYTHON (3.12) on Linux and a copy of the data set DATA. Each
# PACKAGE is packed, too: what the machine lacks of requirements.txt, such as h5py.
set -euo pipefail
if (($# < 2)); then
  sed -n '2,8s/^# \{0,1\}//p' "$0"
  exit 2
fi
folder=$1 data=$2 python=${3:-3.12}
requirements=$(dirname "$0")/../requirements.txt
# Keras and tyro with what they need and JAX and PyTorch do not.
packages=(keras namex optree tyro typeguard docstring-parser defusedxml simplejpeg "${@:4}")
platforms=()
for glibc in 2_28 2_27 2_17 2_12 2_5; do
  platforms+=(--platform "manylinux_${glibc}_x86_64")
done

mkdir -p "$folder/wheels"
pip download --quiet --no-deps --only-binary :all: --python-version "$python" \
  --implementation cp --abi "cp${python/./}" --abi abi3 --abi none "${platforms[@]}" \
  --constraint "$requirements" --dest "$folder/wheels" "${packages[@]}"
cp -r "$data" "$folder/data"
du -sh "$folder/wheels" "$folder/data"
