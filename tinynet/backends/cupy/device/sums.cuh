// Sums in a fixed order: over the threads of a block, and how blocks share a channel.

// Every thread passes a number and gets the block's sum. Threads half a block apart add their
// numbers in pairs, then threads a quarter apart, and so on: the number of threads in a block must
// be a power of two, at most BLOCK.
#define BLOCK 256  // as in launch.py
template <typename T> __device__ T block_sum(T number) {
    __shared__ T numbers[BLOCK];
    numbers[threadIdx.x] = number;
    __syncthreads();
    for (int distance = blockDim.x / 2; distance > 0; distance /= 2) {
        if (threadIdx.x < distance) numbers[threadIdx.x] += numbers[threadIdx.x + distance];
        __syncthreads();
    }
    T sum = numbers[0];
    __syncthreads();  // before the next call writes
    return sum;
}

// A thread's sum of many numbers. Every SHORT of them are added in T, and their sum to a double, so
// that the rounding does not grow with the count.
#define SHORT 128
template <typename T> struct LongSum {
    double total = 0;
    T part = 0;
    int added = 0;  // to part
    __device__ void add(T number) {
        part += number;
        if (++added == SHORT) {
            total += part;
            part = 0;
            added = 0;
        }
    }
    __device__ T value() const { return T(total + part); }
};

// How blocks share a channel: block i of its `parts` blocks takes the images n = i, i + parts, ...,
// and blockDim.x / lanes of these at a time, with `lanes` threads for each map, so that small maps
// leave no thread idle. Made by share() of sums.py.
struct Share {
    int images, channels, pixels;
    int parts, lanes;  // lanes: a power of two
};
#define FOR_MY_SHARE(at, c, i, s) \
    for (long long n = i + threadIdx.x / s.lanes * s.parts; n < s.images; \
         n += blockDim.x / s.lanes * s.parts) \
        for (long long at = (n * s.channels + c) * s.pixels + threadIdx.x % s.lanes, \
                       end = (n * s.channels + c + 1) * s.pixels; \
             at < end; at += s.lanes)
