// CUDA on a processor: enough of its keywords and functions for g++ to compile the .cu files as they
// are, and for one thread to run their grids block by block.
//
// A block's threads run one after the other. A thread that reaches __syncthreads() is suspended with
// its stack, and the next thread starts. When all threads wait there, each continues from its place.
// So a kernel without barriers is a plain loop, and a kernel with a missing barrier reads numbers
// that other threads have not written yet. Threads and blocks run in ascending or in descending
// order: a correct kernel gives the same results in both.
//
// Detected: accesses beyond guarded arrays (host_kernels.py), indices beyond fixed arrays (also in
// shared memory), overflow of signed integers and misaligned loads (compiled with
// -fsanitize=undefined, which traps), and barriers that only some threads of the block reach.
// Not detected: mistakes that depend on threads running at the same moment. On a GPU racecheck looks
// for them.

#include <cmath>
#include <csetjmp>
#include <csignal>
#include <cstring>
#include <string>
#include <tuple>
#include <type_traits>
#include <ucontext.h>
#include <sys/mman.h>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __shared__ static

using std::exp, std::isnan, std::log, std::pow, std::sqrt, std::tanh;
template <typename T> T rsqrt(T x) { return 1 / std::sqrt(x); }
inline unsigned __umulhi(unsigned a, unsigned b) { return ((unsigned long long)a * b) >> 32; }
template <typename T> T min(T a, T b) { return b < a ? b : a; }
template <typename T> T max(T a, T b) { return a < b ? b : a; }

struct Dim3 {
    unsigned x, y, z;
};
static Dim3 threadIdx, blockIdx, blockDim, gridDim;

template <typename T> struct Arrays;

namespace host {

// --- a block's threads ---

constexpr size_t STACK = 128 * 1024;
struct Fiber {
    ucontext_t start;
    jmp_buf place;
    void *stack;
    size_t stack_size;
    Dim3 thread;
    bool started, waiting;
};

static void (*body)();               // the kernel with its arguments
static std::vector<Fiber *> fibers;  // kept from block to block and from launch to launch
static Fiber *running;
static jmp_buf scheduler;
static unsigned started, ended, thread_count;
static bool descending;

// Leave the fiber; enter() continues it from here.
static void leave() {
    if (!_setjmp(running->place)) _longjmp(scheduler, 1);
}

static void run_threads() {
    for (;; leave()) {
        while (started < thread_count) {
            unsigned number = descending ? thread_count - 1 - started : started;
            started++;
            threadIdx = {number % blockDim.x, number / blockDim.x % blockDim.y,
                         number / (blockDim.x * blockDim.y)};
            body();
            ended++;
        }
    }
}

// Only a fiber's first entry uses setcontext, which makes a system call; _longjmp makes none.
static void enter(Fiber *fiber) {
    running = fiber;
    fiber->waiting = false;
    if (_setjmp(scheduler)) return;
    if (fiber->started) _longjmp(fiber->place, 1);
    fiber->started = true;
    getcontext(&fiber->start);
    fiber->start.uc_stack.ss_sp = fiber->stack;
    fiber->start.uc_stack.ss_size = fiber->stack_size;
    makecontext(&fiber->start, run_threads, 0);
    setcontext(&fiber->start);
}

static Fiber *fiber_of(size_t number) {
    if (number == fibers.size()) {
        void *stack =
            mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        // Each stack begins one cache line further down, or all would compete for the same lines.
        fibers.push_back(new Fiber{.stack = stack, .stack_size = STACK - 64 * (number % 256)});
    }
    return fibers[number];
}

// False if some threads wait at a barrier that others never reach.
static bool run_block() {
    started = ended = 0;
    std::vector<Fiber *> waiting;
    while (started < thread_count) {
        Fiber *fiber = fiber_of(waiting.size());
        enter(fiber);
        if (fiber->waiting) waiting.push_back(fiber);
    }
    while (!waiting.empty()) {
        if (waiting.size() != thread_count) return false;
        std::vector<Fiber *> still;
        for (Fiber *fiber : waiting) {
            enter(fiber);
            if (fiber->waiting) still.push_back(fiber);
        }
        waiting = still;
    }
    return true;
}

// --- errors ---

static sigjmp_buf stop;
static void *fault;

static void handler(int number, siginfo_t *info, void *) {
    fault = info->si_addr;
    siglongjmp(stop, number);
}

constexpr int SIGNALS[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
constexpr int HALF_A_BARRIER = -1;

static int run_grid() {
    struct sigaction action = {}, before[4];
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO;
    for (int i = 0; i < 4; i++) sigaction(SIGNALS[i], &action, &before[i]);
    int outcome = sigsetjmp(stop, 1);
    if (outcome == 0) {
        long long count = (long long)gridDim.x * gridDim.y * gridDim.z;
        for (long long turn = 0; turn < count && outcome == 0; turn++) {
            long long b = descending ? count - 1 - turn : turn;
            blockIdx = {unsigned(b % gridDim.x), unsigned(b / gridDim.x % gridDim.y),
                        unsigned(b / gridDim.x / gridDim.y)};
            if (!run_block()) outcome = HALF_A_BARRIER;
        }
    }
    if (outcome)
        for (Fiber *fiber : fibers) fiber->started = false;  // they are stuck where it stopped
    for (int i = 0; i < 4; i++) sigaction(SIGNALS[i], &before[i], nullptr);
    return outcome;
}

// --- a kernel's parameters ---

template <typename T> std::string number_code() {
    if (std::is_same_v<T, float>) return "f";
    if (std::is_same_v<T, double>) return "d";
    if (std::is_same_v<T, int>) return "i";
    if (std::is_same_v<T, long long>) return "q";
    if (std::is_same_v<T, unsigned>) return "I";
    if (std::is_same_v<T, unsigned char>) return "B";
    return "?";
}

// f, d, q: a number. rf: a pointer to const floats. wf: a pointer to floats that may be written.
// Lrf: a list of rf. s12: a struct of 12 bytes.
template <typename T> struct Code {
    static std::string text() {
        return std::is_class_v<T> ? "s" + std::to_string(sizeof(T)) : number_code<T>();
    }
};
template <typename T> struct Code<T *> {
    static std::string text() {
        return (std::is_const_v<T> ? "r" : "w") + number_code<std::remove_const_t<T>>();
    }
};
template <typename T> struct Code<Arrays<T>> {
    static std::string text() { return "L" + Code<T *>::text(); }
};

template <typename... P> const char *signature(void (*)(P...)) {
    static std::string text = ((Code<P>::text() + " ") + ... + "");
    return text.c_str();
}

template <typename... P, size_t... I>
int launch(void (*kernel)(P...), void **arguments, std::index_sequence<I...>) {
    static std::tuple<void (*)(P...), void **> call;
    call = {kernel, arguments};
    body = [] { std::get<0>(call)(*static_cast<P *>(std::get<1>(call)[I])...); };
    return run_grid();
}
template <typename... P> int launch(void (*kernel)(P...), void **arguments) {
    return launch(kernel, arguments, std::index_sequence_for<P...>{});
}

}  // namespace host

static inline void __syncthreads() {
    host::Fiber *fiber = host::running;
    fiber->thread = threadIdx;
    fiber->waiting = true;
    host::leave();
    threadIdx = fiber->thread;
}

extern "C" void *host_fault() { return host::fault; }

// Defines two functions for a kernel: one returns the codes of its parameters, the other runs its
// whole grid. The latter returns 0 if the grid ran, a signal's number if the signal stopped it, and
// -1 if some threads did not reach a barrier.
#define HOST_KERNEL(name) \
    extern "C" const char *name##_signature() { return host::signature(name); } \
    extern "C" int name##_launch(const unsigned *grid, const unsigned *block, int descending, \
                                 void **arguments) { \
        gridDim = {grid[0], grid[1], grid[2]}; \
        blockDim = {block[0], block[1], block[2]}; \
        host::thread_count = block[0] * block[1] * block[2]; \
        host::descending = descending; \
        return host::launch(name, arguments); \
    }
