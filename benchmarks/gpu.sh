#!/usr/bin/env bash
# All checks and benchmarks that want a CUDA device, in one go, in under 10 minutes on an H200:
#
#     bash benchmarks/gpu.sh                            results go to $OUT, or benchmarks/results
#     bash benchmarks/gpu.sh --device cpu --quick       a smoke run without a GPU
#
# Needs torch, numpy, psutil and rich; Longtake need not be installed. Ends with 1 if any part failed; the others still run.
set -uo pipefail
cd "$(dirname "$0")/.."
results=${OUT:-benchmarks/results}
python=${PYTHON:-python3}
device=cuda quick=()
while (($#)); do
    case $1 in
        --device) device=$2; shift 2 ;;
        --quick) quick=(--quick); shift ;;
        *) echo "gpu.sh: unknown option $1" >&2; exit 2 ;;
    esac
done

links=$(mktemp -d)
trap 'rm -rf "$links"' EXIT
mkdir "$links/longtake"
for package in schemas library model; do ln -s "$PWD/$package" "$links/longtake/$package"; done
export PYTHONPATH="$links:${PYTHONPATH:-}" PYTHONUNBUFFERED=1
mkdir -p "$results"
if [ "$device" = cuda ]; then nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || exit 1; fi
"$python" -c 'import torch; print("torch", torch.__version__, "CUDA", torch.version.cuda)' || exit 1

failed=()
part() {
    local limit=$1; shift
    if [ "$device" = cpu ]; then limit=$((limit * 10)); fi
    echo "== $* ($(date +%T))"
    timeout "$limit" "$python" "$@" --device "$device" "${quick[@]}" --results "$results" || failed+=("$1: exit code $?")
}
part 310 benchmarks/htwa_gpu.py
part 45 benchmarks/mtc.py
part 30 benchmarks/resize.py
part 210 benchmarks/htwa.py
for fault in "${failed[@]}"; do echo "FAILED $fault"; done
exit $((${#failed[@]} > 0))
