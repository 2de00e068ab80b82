#!/usr/bin/env bash
# All that wants a GPU, in two calls of at most 280 and 420 seconds:
#
#   benchmarks/gpu_run.sh first [RESULTS]
#   benchmarks/gpu_run.sh second [RESULTS]
#
# RESULTS (default: benchmarks/results) gets gpu-first.log or gpu-second.log, with the output of
# every part and how it ended, and the files that the parts below name.
#
# Each part has a time limit of its own, in which it is stopped by Ctrl-C and, where that does not
# help, killed. The limits of a call, added up, are its own, so that no part takes the time of
# another. A part that fails or is stopped costs no other part and leaves the figures that it has
# written. The exit code is 1 where there is one.
#
# Environment: PYTHON (python3); PARTS, the names of some parts (all); PART_LIMIT, the most seconds
# of any part.
set -uo pipefail
call="${1:-}"
[ "$call" = first ] || [ "$call" = second ] || {
    echo "usage: benchmarks/gpu_run.sh first|second [RESULTS]" >&2
    exit 2
}
results="${2:-$(dirname "$0")/results}"
results="$(mkdir -p "$results" && cd "$results" && pwd)" || exit 6
cd "$(dirname "$0")/.." || exit 6

python="${PYTHON:-python3}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export python TMPDIR="$work" PYTHONPATH=".${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
log="$results/gpu-$call.log"
: > "$log"
failed=0 ran=0

say() { printf '%s\n' "$*" | tee -a "$log"; }

wanted() { [ -z "${PARTS:-}" ] || [[ " $PARTS " == *" $1 "* ]]; }

# part NAME SECONDS COMMAND...: run the command, at most so many seconds.
part() {
    local name="$1" seconds="$2" start=$SECONDS grace size code ended
    shift 2
    wanted "$name" || return 0
    ran=1
    [ "$seconds" -le "${PART_LIMIT:-$seconds}" ] || seconds=$PART_LIMIT
    say "== $name, at most $seconds s: $*"
    grace=$((seconds > 9 ? 5 : 1)) # from Ctrl-C, after which a training saves, until the kill
    size=$(stat -c %s "$log")
    # No pipe: a process that the command leaves behind would keep it open, and we would wait.
    timeout --signal=INT --kill-after=$grace $((seconds - grace)) "$@" >> "$log" 2>&1
    code=$?
    tail -c +$((size + 1)) "$log" | tail -n 40
    case $code in
        0) ended="done" ;;
        124 | 137) ended="stopped" ;;
        *) ended="exit code $code" ;;
    esac
    [ $code = 0 ] || failed=1
    say "== $name: $ended after $((SECONDS - start)) s"
}

facts() {
    date -u
    nproc
    nvidia-smi
    nvcc --version
    "$python" --version
    "$python" -c '
import re
from importlib import metadata
names = re.compile("(numpy|cupy|torch|numba|scipy|triton|nvidia|pytest|hypothesis).*")
versions = {f"{d.name} {d.version}" for d in metadata.distributions() if names.match(d.name or "")}
print(*sorted(versions), sep="\n")'
}
export -f facts

# training NAME SECONDS FLAGS...: the command of the README for 40 steps, on images that it draws;
# gpu-NAME.jsonl is its log.jsonl.
training() {
    part "$1" "$2" "$python" -m alexnet.train --backend cupy --max-steps 40 --workers "$(nproc)" \
        --out "$work/$1" "${@:3}"
    wanted "$1" || return 0
    cp "$work/$1/log.jsonl" "$results/gpu-$1.jsonl" || failed=1
}

# Every case of every layer once, in float32.
small=(-m pytest -m gpu -q -p no:cacheprovider tests/tinynet/test_optim.py
    tests/tinynet/ops/test_layers_float32.py tests/tinynet/ops/test_winograd.py
    -k "float32 and (formulas or ten_steps_match or winograd and same_bits)")
# Our kernels' names end in their dtype; CuPy's and the libraries' do not.
own='regex=^[A-Za-z][A-Za-z0-9_]*_(float|double)$'

part facts 10 bash -c facts
if [ "$call" = first ]; then
    training train 50 --no-cuda-graph
    training train-tf32 35 --cuda-graph --precision tf32
    part small 40 "$python" "${small[@]}"
    part probe 40 "$python" -m benchmarks.gpu_probe --json "$results/gpu-probe.json"
    part step 105 "$python" -m benchmarks.step --backend cupy --batch-size 128 \
        --only tinynet,tinynet-cuda-graph,pytorch --json "$results/gpu-step.json"
else
    part profile 50 "$python" -m benchmarks.gpu_profile --json "$results/gpu-profile.json"
    part step-512 130 "$python" -m benchmarks.step --backend cupy --batch-size 512 \
        --only tinynet,tinynet-cuda-graph,pytorch,pytorch-compiled \
        --json "$results/gpu-step-512.json"
    part tests 95 "$python" -m pytest -m gpu -q -p no:cacheprovider \
        --continue-on-collection-errors
    part layers 70 "$python" -m benchmarks.layers --backend cupy \
        --json "$results/gpu-layers.json"
    if command -v compute-sanitizer > /dev/null; then
        # No API errors: libraries handle the calls that fail inside them, CuPy checks its own.
        part memcheck 65 compute-sanitizer --tool memcheck --kernel-name "$own" \
            --report-api-errors no --error-exitcode 9 --print-limit 20 \
            "$python" "${small[@]}" --sanitizer
    else
        say "memcheck: compute-sanitizer is not installed"
    fi
fi

[ $ran = 1 ] || {
    say "PARTS=$PARTS names no part of the $call call"
    exit 2
}
say "$SECONDS s in all"
grep '^== ' "$log"
exit $failed
