// Same-map normalisation and its gradient.

#include "device/elements.cuh"
#include "device/powers.cuh"

// reach  size // 2: a window is 2 reach + 1 rows and columns, cut off at the map's edges
struct MapWindow {
    int height, width, reach;
};

// The sum of `map`, or of its squares, over the window of pixel p, row by row.
template <typename T, bool SQUARES> __device__ T window_sum(const T *map, int p, MapWindow window) {
    int i = p / window.width, j = p % window.width;
    int top = max(i - window.reach, 0), bottom = min(i + window.reach + 1, window.height);
    int left = max(j - window.reach, 0), right = min(j + window.reach + 1, window.width);
    T sum = 0;
    for (int h = top; h < bottom; h++) {
        T row = 0;
        for (int w = left; w < right; w++) {
            T number = map[h * window.width + w];
            row += SQUARES ? number * number : number;
        }
        sum += row;
    }
    return sum;
}

// y[p] = x[p] / (k + alpha * sum of x[q]^2 over the pixels q of p's window)^beta.
//
// x, y  (count, H, W)    count: maps of all images
// One thread: one pixel. Moves x and y once: where windows overlap, the later reads of a pixel hit
// the cache.
template <typename T>
__device__ void same_map_norm(const T *x, T *y, T alpha, T beta, T k, long long count,
                              MapWindow window) {
    long long map = MY_MAP;
    if (map >= count) return;
    const T *x_map = x + map * window.height * window.width;
    FOR_MY_PIXELS(p, window.height * window.width) {
        T scale = k + alpha * window_sum<T, true>(x_map, p, window);
        y[map * window.height * window.width + p] = x_map[p] * inverse_power(scale, beta);
    }
}

// The first of two launches of the backward: direct = dy scale^-beta, the first term of dx;
// ratio = dy x scale^(-beta - 1), which the second one adds up.
//
// dy, x, direct, ratio  (count, H, W)
// One thread: one pixel. Moves 4 numbers an element.
template <typename T>
__device__ void same_map_norm_ratio(const T *dy, const T *x, T *direct, T *ratio, T alpha, T beta,
                                    T k, long long count, MapWindow window) {
    long long map = MY_MAP;
    if (map >= count) return;
    long long start = map * window.height * window.width;
    FOR_MY_PIXELS(p, window.height * window.width) {
        T scale = k + alpha * window_sum<T, true>(x + start, p, window);
        T slope = dy[start + p] * inverse_power(scale, beta);
        direct[start + p] = slope;
        ratio[start + p] = slope * x[start + p] / scale;
    }
}

// The second: dx[p] = direct[p] - 2 alpha beta x[p] * sum of ratio[q] over the pixels q of p's
// window.
//
// x, ratio, dx  (count, H, W)    dx holds direct
// One thread: one pixel. Moves 4 numbers an element.
template <typename T>
__device__ void same_map_norm_backward(const T *x, const T *ratio, T *dx, T alpha, T beta,
                                       long long count, MapWindow window) {
    long long map = MY_MAP;
    if (map >= count) return;
    long long start = map * window.height * window.width;
    FOR_MY_PIXELS(p, window.height * window.width) {
        T neighbours = window_sum<T, false>(ratio + start, p, window);
        dx[start + p] -= 2 * alpha * beta * x[start + p] * neighbours;
    }
}

#define KERNELS(T) \
    KERNEL same_map_norm_##T(const T *x, T *y, T alpha, T beta, T k, long long count, \
                             MapWindow window) { \
        same_map_norm(x, y, alpha, beta, k, count, window); \
    } \
    KERNEL same_map_norm_ratio_##T(const T *dy, const T *x, T *direct, T *ratio, T alpha, T beta, \
                                   T k, long long count, MapWindow window) { \
        same_map_norm_ratio(dy, x, direct, ratio, alpha, beta, k, count, window); \
    } \
    KERNEL same_map_norm_backward_##T(const T *x, const T *ratio, T *dx, T alpha, T beta, \
                                      long long count, MapWindow window) { \
        same_map_norm_backward(x, ratio, dx, alpha, beta, count, window); \
    }

KERNELS(float)
KERNELS(double)
