// The sum of a number over the threads of a block, in a fixed order.

// Every thread gives its number and gets the sum. Pairs of threads half the block apart add, then a
// quarter apart, and so on: the block has a power of two of threads, BLOCK at most.
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
