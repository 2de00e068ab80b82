// What the kernels share: how one begins, and which elements are whose.

#define KERNEL extern "C" __global__ void

// Before a loop over a small array: unrolled, every index is known, so numbers stay in registers.
#define UNROLLED _Pragma("unroll")

#define EACH 4  // as in launch.py

// Element by element: a thread has EACH elements, a block apart, so that the threads of a warp read
// 32 neighbours together. It loads all of them before it uses the first: loads that are under way
// at the same time wait together. launch.py: elements().
template <typename T> struct Elements {
    T at[EACH];
};
#define MY_ELEMENT(turn) (((long long)blockIdx.x * EACH + turn) * blockDim.x + threadIdx.x)
#define EACH_TURN(turn) UNROLLED for (int turn = 0; turn < EACH; turn++)

template <typename T> __device__ Elements<T> load_mine(const T *x, long long count) {
    Elements<T> mine = {};
    EACH_TURN(turn)
        if (MY_ELEMENT(turn) < count) mine.at[turn] = x[MY_ELEMENT(turn)];
    return mine;
}

template <typename T> __device__ void store_mine(Elements<T> mine, T *y, long long count) {
    EACH_TURN(turn)
        if (MY_ELEMENT(turn) < count) y[MY_ELEMENT(turn)] = mine.at[turn];
}

// Pixel by pixel: a block has blockDim.x pixels of blockDim.y maps. launch.py: maps().
#define MY_MAP ((long long)blockIdx.x * blockDim.y + threadIdx.y)
#define FOR_MY_PIXELS(p, pixels) \
    for (int p = blockIdx.y * blockDim.x + threadIdx.x; p < (pixels); p += gridDim.y * blockDim.x)
