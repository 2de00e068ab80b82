// Local response normalisation over channels, and its gradient, each in one pass.

#include "elements.cuh"

// channels  of a group
// tile      channels of a block; tiles: how many blocks share a group
// reach     size // 2: the window is 2 reach + 1 channels
// pixels    H W
struct Geometry {
    int channels, tile, tiles, reach, pixels;
};

// A block's tile: blockDim.x pixels of the channels first ... first + tile - 1 of one group of one
// image.
struct Tile {
    long long offset;  // of the group's first channel, in numbers
    int first;
};

__device__ inline Tile my_tile(Geometry g) {
    long long group = blockIdx.x / g.tiles;
    return {group * g.channels * g.pixels, int(blockIdx.x % g.tiles) * g.tile};
}

// scale^-beta. The paper's beta, 3/4, is two square roots.
template <typename T> __device__ T inverse_power(T scale, T beta) {
    if (beta == T(0.75)) {
        T root = rsqrt(scale);
        return root * sqrt(root);
    }
    return pow(scale, -beta);
}

// The sum of one lane of so many rows, from the first on.
template <typename T> __device__ T sum_of_window(const T *rows, int first, int count) {
    T sum = 0;
    for (int row = first; row < first + count; row++) sum += rows[row * blockDim.x + threadIdx.x];
    return sum;
}

// rows[row] = x^2 of channel start + row, 0 outside the group or the map.
template <typename T>
__device__ void squares(const T *x, T *rows, int start, int count, int p, Geometry g) {
    for (int row = threadIdx.y; row < count; row += blockDim.y) {
        int channel = start + row;
        bool inside = 0 <= channel && channel < g.channels && p < g.pixels;
        T number = inside ? x[(long long)channel * g.pixels + p] : T(0);
        rows[row * blockDim.x + threadIdx.x] = number * number;
    }
}

// y[c] = x[c] / (k + alpha * sum of x[j]^2 over the channels j within reach of c)^beta.
//
// x, y  (images, groups, channels, pixels)
// One block: a tile, pixels side by side, channel by channel; then the next pixels of the same
// channels. It keeps the squares of its channels and of reach more on either side. Moves 2 numbers
// an element.
template <typename T>
__device__ void local_response_norm(const T *x, T *y, T alpha, T beta, T k, Geometry g) {
    Tile tile = my_tile(g);
    T *energy = shared_memory<T>();  // (tile + 2 reach, blockDim.x)
    x += tile.offset;
    y += tile.offset;
    for (int start = blockIdx.y * blockDim.x; start < g.pixels; start += gridDim.y * blockDim.x) {
        int p = start + threadIdx.x;
        squares(x, energy, tile.first - g.reach, g.tile + 2 * g.reach, p, g);
        __syncthreads();
        for (int row = threadIdx.y; row < g.tile; row += blockDim.y) {
            int channel = tile.first + row;
            if (channel >= g.channels || p >= g.pixels) break;
            T scale = k + alpha * sum_of_window(energy, row, 2 * g.reach + 1);
            long long i = (long long)channel * g.pixels + p;
            y[i] = x[i] * inverse_power(scale, beta);
        }
        __syncthreads();
    }
}

// dx[c] = dy[c] scale[c]^-beta - 2 alpha beta x[c] * sum of dy[j] x[j] scale[j]^(-beta - 1) over
// the channels j within reach of c.
//
// dy, x, dx  (images, groups, channels, pixels)
// One block: a tile, as forward. It keeps the squares of its channels and of 2 reach more on either
// side; from them, with reach more on either side, ratio = dy x scale^(-beta - 1); and scale^-beta.
// Moves 3 numbers an element.
template <typename T>
__device__ void local_response_norm_backward(const T *dy, const T *x, T *dx, T alpha, T beta, T k,
                                             Geometry g) {
    Tile tile = my_tile(g);
    int size = 2 * g.reach + 1, wide = g.tile + 2 * g.reach;
    T *energy = shared_memory<T>();                         // (tile + 4 reach, blockDim.x)
    T *ratio = energy + (wide + 2 * g.reach) * blockDim.x;  // (tile + 2 reach, blockDim.x)
    T *power = ratio + wide * blockDim.x;                   // (tile, blockDim.x)
    dy += tile.offset;
    x += tile.offset;
    dx += tile.offset;
    for (int start = blockIdx.y * blockDim.x; start < g.pixels; start += gridDim.y * blockDim.x) {
        int p = start + threadIdx.x;
        squares(x, energy, tile.first - 2 * g.reach, wide + 2 * g.reach, p, g);
        __syncthreads();
        for (int row = threadIdx.y; row < wide; row += blockDim.y) {
            int channel = tile.first - g.reach + row;
            bool inside = 0 <= channel && channel < g.channels && p < g.pixels;
            T number = 0;
            if (inside) {
                T scale = k + alpha * sum_of_window(energy, row, size);
                T scale_to_minus_beta = inverse_power(scale, beta);
                long long i = (long long)channel * g.pixels + p;
                number = dy[i] * x[i] * scale_to_minus_beta / scale;
                int mine = row - g.reach;
                if (0 <= mine && mine < g.tile)
                    power[mine * blockDim.x + threadIdx.x] = scale_to_minus_beta;
            }
            ratio[row * blockDim.x + threadIdx.x] = number;
        }
        __syncthreads();
        for (int row = threadIdx.y; row < g.tile; row += blockDim.y) {
            int channel = tile.first + row;
            if (channel >= g.channels || p >= g.pixels) break;
            T sum = sum_of_window(ratio, row, size);
            long long i = (long long)channel * g.pixels + p;
            dx[i] = dy[i] * power[row * blockDim.x + threadIdx.x] - 2 * alpha * beta * x[i] * sum;
        }
        __syncthreads();
    }
}

#define KERNELS(T) \
    KERNEL local_response_norm_##T(const T *x, T *y, T alpha, T beta, T k, Geometry g) { \
        local_response_norm(x, y, alpha, beta, k, g); \
    } \
    KERNEL local_response_norm_backward_##T(const T *dy, const T *x, T *dx, T alpha, T beta, T k, \
                                            Geometry g) { \
        local_response_norm_backward(dy, x, dx, alpha, beta, k, g); \
    }

KERNELS(float)
KERNELS(double)
