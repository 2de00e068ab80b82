// Shared by the kernels: how a kernel is declared, and which elements each thread has.

#define KERNEL extern "C" __global__ void

// Before a loop over a small array: unrolling makes every index known, so the array stays in
// registers.
#define UNROLLED _Pragma("unroll")

#define ITEMS_PER_THREAD 4  // as in launch.py

// Element by element: a thread has ITEMS_PER_THREAD elements, a block apart, so that the threads of
// a warp read 32 neighbours together. It loads all of them before it uses the first, so that their
// latencies overlap. Grid and block: elements() of launch.py.
template <typename T> struct Elements {
    T at[ITEMS_PER_THREAD];
};
#define MY_ELEMENT(item) \
    (((long long)blockIdx.x * ITEMS_PER_THREAD + item) * blockDim.x + threadIdx.x)
#define EACH_ITEM(item) UNROLLED for (int item = 0; item < ITEMS_PER_THREAD; item++)

template <typename T> __device__ Elements<T> load_mine(const T *x, long long count) {
    Elements<T> mine = {};
    EACH_ITEM(item)
        if (MY_ELEMENT(item) < count) mine.at[item] = x[MY_ELEMENT(item)];
    return mine;
}

template <typename T> __device__ void store_mine(Elements<T> mine, T *y, long long count) {
    EACH_ITEM(item)
        if (MY_ELEMENT(item) < count) y[MY_ELEMENT(item)] = mine.at[item];
}

// Pixel by pixel: a block has blockDim.x pixels of blockDim.y maps. Grid and block: maps() of
// launch.py.
#define MY_MAP ((long long)blockIdx.x * blockDim.y + threadIdx.y)
#define FOR_MY_PIXELS(p, pixels) \
    for (int p = blockIdx.y * blockDim.x + threadIdx.x; p < (pixels); p += gridDim.y * blockDim.x)
