// Adaptive average pooling and its gradient.

#include "device/elements.cuh"
#include "device/sums.cuh"

struct Sizes {
    int height, width;
    int out_rows, out_columns;
};

// One axis is divided evenly, once into `size` cells and once into `out_size` cells: the range of
// the `size` cells that overlap cell i of the `out_size` cells. These are the pixels that an output
// reads; with the sizes exchanged, they are the outputs that read a pixel.
struct Span {
    int first, end;
};
__device__ Span touched(int i, int size, int out_size) {
    return {i * size / out_size, ((i + 1) * size + out_size - 1) / out_size};
}

// y[n, c, i, j] = the mean of x over the window of (i, j).
//
// x  (count, H, W)    count: maps of all images
// y  (count, OH, OW)
// One thread: one output pixel; it adds the window row by row. Moves x and y once.
template <typename T>
__device__ void adaptive_avg_pool2d(const T *x, T *y, long long count, Sizes s) {
    long long map = MY_MAP;
    if (map >= count) return;
    const T *x_map = x + map * s.height * s.width;
    FOR_MY_PIXELS(p, s.out_rows * s.out_columns) {
        Span rows = touched(p / s.out_columns, s.height, s.out_rows);
        Span columns = touched(p % s.out_columns, s.width, s.out_columns);
        LongSum<T> sum;
        for (int h = rows.first; h < rows.end; h++)
            for (int w = columns.first; w < columns.end; w++) sum.add(x_map[h * s.width + w]);
        int cells = (rows.end - rows.first) * (columns.end - columns.first);
        y[map * s.out_rows * s.out_columns + p] = sum.value() / T(cells);
    }
}

// dx[pixel] = the sum of dy / (cells of the window) over all windows that cover the pixel.
//
// dy  (count, OH, OW)
// dx  (count, H, W)
// One thread: one pixel; it gathers from its windows, row by row. Moves dy and dx once.
template <typename T>
__device__ void adaptive_avg_pool2d_backward(const T *dy, T *dx, long long count, Sizes s) {
    long long map = MY_MAP;
    if (map >= count) return;
    const T *dy_map = dy + map * s.out_rows * s.out_columns;
    FOR_MY_PIXELS(p, s.height * s.width) {
        Span readers_down = touched(p / s.width, s.out_rows, s.height);
        Span readers_across = touched(p % s.width, s.out_columns, s.width);
        T sum = 0;
        for (int i = readers_down.first; i < readers_down.end; i++) {
            Span rows = touched(i, s.height, s.out_rows);
            for (int j = readers_across.first; j < readers_across.end; j++) {
                Span columns = touched(j, s.width, s.out_columns);
                int cells = (rows.end - rows.first) * (columns.end - columns.first);
                sum += dy_map[i * s.out_columns + j] / T(cells);
            }
        }
        dx[map * s.height * s.width + p] = sum;
    }
}

#define KERNELS(T) \
    KERNEL adaptive_avg_pool2d_##T(const T *x, T *y, long long count, Sizes s) { \
        adaptive_avg_pool2d(x, y, count, s); \
    } \
    KERNEL adaptive_avg_pool2d_backward_##T(const T *dy, T *dx, long long count, Sizes s) { \
        adaptive_avg_pool2d_backward(dy, dx, count, s); \
    }

KERNELS(float)
KERNELS(double)
