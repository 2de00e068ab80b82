#!/usr/bin/env bash
# Everything that wants a GPU, in one call of under ten minutes:
#
#   benchmarks/gpu_run.sh [RESULTS] [PHOTOS]
#
# RESULTS (default: benchmarks/results) gets these files; a part that is stopped leaves its file:
#   gpu-run.log        how each part ended, and the output of the parts without a file of their own
#   gpu-facts.txt      device, driver, versions
#   gpu-tests.log      pytest -m gpu, on the real kernels
#   gpu-sanitizer.log  memcheck and racecheck over small cases, where compute-sanitizer is installed
#   gpu-layers.json    benchmarks.layers, beside PyTorch where it is installed
#   gpu-step.json      benchmarks.step, likewise
#   gpu-train.jsonl    log.jsonl of a training on PHOTOS: train/<class>/*, val/<class>/*, or
#                      <class>/*; without PHOTOS there is none
# Each part has its own time limit, so that one that hangs does not cost the others. No part runs
# past LIMIT. The exit code is 1 where a part failed.
#
# Environment: PYTHON (python3); PARTS, some of "facts tests sanitizer layers step train" (all);
# STEP_SECONDS (260); TRAIN_SECONDS (60) and TRAIN_FLAGS of the training; LIMIT, the seconds of all
# parts (575). On a machine that starts cold two calls have more room: PARTS="facts tests sanitizer
# layers", then PARTS="step train".
set -uo pipefail
results="${1:-$(dirname "$0")/results}"
results="$(mkdir -p "$results" && cd "$results" && pwd)" || exit 6
photos="${2:+$(cd "$2" && pwd)}" || exit 3
cd "$(dirname "$0")/.."

python="${PYTHON:-python3}"
parts=" ${PARTS:-facts tests sanitizer layers step train} "
train_flags="${TRAIN_FLAGS:---init he --lr 0.01 --schedule cosine --epochs 30}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export PYTHONPATH=".${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
log="$results/gpu-run.log"
: > "$log"
failed=0
signal=TERM
limit="${LIMIT:-575}" # a call of ten minutes ends in order

# part SECONDS FILE COMMAND...: run the command, which writes to the FILE of RESULTS.
part() {
    local seconds="$1" file="$results/$2" start=$SECONDS left=$((limit - SECONDS)) size code ended
    shift 2
    say "== $*"
    [ "$seconds" -le "$left" ] || seconds=$left
    if [ "$seconds" -lt 5 ]; then
        failed=1
        say "== no time left"
        return
    fi
    size=$(stat -c %s "$file")
    # No pipe: a process that the command leaves behind would keep it open, and we would wait.
    timeout --signal="$signal" --kill-after=10 "$seconds" "$@" >> "$file" 2>&1
    code=$?
    tail -c +$((size + 1)) "$file" | tail -n 40
    case $code in
        0) ended="done" ;;
        124 | 137) ended="stopped" ;;
        *) ended="exit code $code" ;;
    esac
    # A training that is stopped has saved what it learned.
    [ "$code" = 0 ] || [ "$signal $code" = "INT 124" ] || failed=1
    say "== $ended after $((SECONDS - start)) s"
}

say() { printf '%s\n' "$*" | tee -a "$log"; }

wanted() { [[ "$parts" == *" $1 "* ]]; }

facts() {
    date -u
    nvidia-smi
    "$python" --version
    "$python" -c '
import importlib
for name in ("numpy", "cupy", "torch", "numba", "scipy", "triton"):
    try:
        print(name, importlib.import_module(name).__version__)
    except ImportError as error:
        print(name, "is missing:", error)
import cupy
cupy.show_config()
'
}

if wanted facts; then
    : > "$results/gpu-facts.txt"
    export -f facts
    export python
    part 60 gpu-facts.txt bash -c facts
fi

if wanted tests; then
    : > "$results/gpu-tests.log"
    part 150 gpu-tests.log "$python" -m pytest -m gpu -q -p no:cacheprovider --continue-on-collection-errors
fi

if wanted sanitizer; then
    : > "$results/gpu-sanitizer.log"
    # Every case of every layer once.
    small=(-m pytest -m gpu --sanitizer -q -p no:cacheprovider tests/tinynet/test_optim.py
        tests/tinynet/ops/test_layers.py tests/tinynet/ops/test_winograd.py
        -k "float32 and (formulas or ten_steps_match or winograd and same_bits)")
    # First without the sanitizer, so that CuPy's cache holds the compiled kernels.
    part 30 gpu-sanitizer.log "$python" "${small[@]}"
    if command -v compute-sanitizer > /dev/null; then
        for tool in memcheck racecheck; do
            # No API errors: libraries handle the calls that fail inside them, CuPy checks its own.
            part 60 gpu-sanitizer.log compute-sanitizer --tool "$tool" --error-exitcode 9 \
                $([ "$tool" = memcheck ] && echo "--report-api-errors no") \
                --print-limit 20 "$python" "${small[@]}"
        done
    else
        say "compute-sanitizer is not installed"
    fi
fi

if wanted layers; then
    part 80 gpu-run.log "$python" -m benchmarks.layers --backend cupy \
        --json "$results/gpu-layers.json"
fi

if wanted step; then
    part "${STEP_SECONDS:-260}" gpu-run.log "$python" -m benchmarks.step --backend cupy --batch-size 128 512 \
        --json "$results/gpu-step.json"
fi

if wanted train && [ -n "$photos" ]; then
    signal=INT # Ctrl-C: finish the batch, save, end
    # $train_flags has no quotes, so that the shell splits it into words.
    part "${TRAIN_SECONDS:-60}" gpu-run.log "$python" -m alexnet.train "$photos" --backend cupy \
        --workers "$(nproc)" --out "$work/run" $train_flags
    cp "$work/run/log.jsonl" "$results/gpu-train.jsonl" || failed=1
fi

say "$SECONDS s in all"
grep '^== ' "$log"
exit $failed
