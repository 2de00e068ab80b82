// Local response normalisation over channels, and its gradient, each in one pass.
//
// A thread stays at its pixel and goes along the channels. It pushes the numbers that it reads into
// sliding windows: registers that hold the numbers of the channels around the current one.

#include "device/elements.cuh"
#include "device/powers.cuh"

// channels  of a group
// tile      channels of a thread; tiles: how many threads share a group's pixel
// reach     size // 2: the window is 2 reach + 1 channels; at most the kernel's REACH
// pixels    H W
struct Geometry {
    int channels, tile, tiles, reach, pixels;
};

// One number for each channel from REACH below the middle to REACH above it.
template <typename T, int REACH> struct Window {
    T at[2 * REACH + 1];

    // The next channel enters at the upper end.
    __device__ void push(T number) {
        UNROLLED for (int i = 0; i < 2 * REACH; i++) at[i] = at[i + 1];
        at[2 * REACH] = number;
    }

    __device__ T middle() const { return at[REACH]; }

    __device__ T sum(int reach) const {
        T sum = 0;
        UNROLLED for (int i = 0; i <= 2 * REACH; i++) {
            if (REACH - reach <= i && i <= REACH + reach) sum += at[i];
        }
        return sum;
    }
};

// y[c] = x[c] / (k + alpha * sum of x[j]^2 over the channels j within reach of c)^beta.
//
// x, y  (groups of all images, channels, pixels)
// One thread: one pixel, `tile` channels. Moves 2 numbers an element; two threads read the REACH
// channels on either side of a tile.
template <typename T, int REACH>
__device__ void local_response_norm(const T *__restrict__ x, T *__restrict__ y, T alpha, T beta,
                                    T k, long long tiles_in_all, Geometry g) {
    long long tile = MY_MAP;
    if (tile >= tiles_in_all) return;
    int first = int(tile % g.tiles) * g.tile, end = min(first + g.tile, g.channels);
    x += tile / g.tiles * g.channels * g.pixels;
    y += tile / g.tiles * g.channels * g.pixels;
    FOR_MY_PIXELS(p, g.pixels) {
        Window<T, REACH> own = {}, energy = {};
        for (int top = first - REACH; top < end + REACH; top++) {
            bool inside = 0 <= top && top < g.channels;
            T number = inside ? x[(long long)top * g.pixels + p] : T(0);
            own.push(number);
            energy.push(number * number);
            int c = top - REACH;
            if (c < first) continue;
            T scale = k + alpha * energy.sum(g.reach);
            y[(long long)c * g.pixels + p] = own.middle() * inverse_power(scale, beta);
        }
    }
}

// dx[c] = dy[c] scale[c]^-beta - 2 alpha beta x[c] * sum of ratio[j] over the channels j within
// reach of c, where ratio = dy x scale^(-beta - 1).
//
// dy, x, dx  (groups of all images, channels, pixels)
// One thread: one pixel, `tile` channels. Windows of x around channel c = top - REACH give the
// scale of c; windows of the numbers computed from it around b = c - REACH give dx of b. Moves 3
// numbers an element; two threads read up to 2 REACH channels on either side of a tile.
template <typename T, int REACH>
__device__ void local_response_norm_backward(const T *__restrict__ dy, const T *__restrict__ x,
                                             T *__restrict__ dx, T alpha, T beta, T k,
                                             long long tiles_in_all, Geometry g) {
    long long tile = MY_MAP;
    if (tile >= tiles_in_all) return;
    int first = int(tile % g.tiles) * g.tile, end = min(first + g.tile, g.channels);
    dy += tile / g.tiles * g.channels * g.pixels;
    x += tile / g.tiles * g.channels * g.pixels;
    dx += tile / g.tiles * g.channels * g.pixels;
    FOR_MY_PIXELS(p, g.pixels) {
        Window<T, REACH> own = {}, energy = {};
        Window<T, REACH> ratio = {}, scaled = {}, value = {};
        for (int top = first - 2 * REACH; top < end + 2 * REACH; top++) {
            bool inside = 0 <= top && top < g.channels;
            T number = inside ? x[(long long)top * g.pixels + p] : T(0);
            own.push(number);
            energy.push(number * number);

            int c = top - REACH;
            bool known = first - REACH <= c && 0 <= c && c < g.channels;
            T slope = known ? dy[(long long)c * g.pixels + p] : T(0);
            T scale = known ? k + alpha * energy.sum(g.reach) : T(1);
            T power = inverse_power(scale, beta);
            ratio.push(slope * own.middle() * power / scale);
            scaled.push(slope * power);
            value.push(own.middle());

            int b = c - REACH;
            if (b < first) continue;
            T neighbours = 2 * alpha * beta * value.middle() * ratio.sum(g.reach);
            dx[(long long)b * g.pixels + p] = scaled.middle() - neighbours;
        }
    }
}

#define KERNELS(REACH, T) \
    KERNEL local_response_norm_##REACH##_##T(const T *x, T *y, T alpha, T beta, T k, \
                                             long long tiles_in_all, Geometry g) { \
        local_response_norm<T, REACH>(x, y, alpha, beta, k, tiles_in_all, g); \
    } \
    KERNEL local_response_norm_backward_##REACH##_##T(const T *dy, const T *x, T *dx, T alpha, \
                                                      T beta, T k, long long tiles_in_all, \
                                                      Geometry g) { \
        local_response_norm_backward<T, REACH>(dy, x, dx, alpha, beta, k, tiles_in_all, g); \
    }

// Window sizes up to 5 (the paper's), up to 17, and up to 129, which is too large for registers.
KERNELS(2, float)
KERNELS(2, double)
KERNELS(8, float)
KERNELS(8, double)
KERNELS(64, float)
KERNELS(64, double)
