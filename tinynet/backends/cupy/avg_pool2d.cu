// Average pooling and its gradient.

#include "device/elements.cuh"
#include "device/windows.cuh"

// How many of a window's cells lie on the map or its padding, along one axis. first: the index of
// the window's first cell on the map, negative in the padding; cells beyond the padded edge
// (ceil_mode) do not count.
__device__ int cells_along(int first, int window, int size, int padding) {
    return min(window, size + padding - first);
}

// y[n, c, i, j] = the sum of x in the window at (i, j) / (cells of the window).
//
// x  (count, H, W)    count: maps of all images
// y  (count, OH, OW)
// One thread: one output pixel; it adds the window row by row. Moves x and y once: where
// windows overlap, the later reads of a pixel hit the cache.
template <typename T> __device__ void avg_pool2d(const T *x, T *y, long long count, Windows s) {
    long long map = MY_MAP;
    if (map >= count) return;
    const T *x_map = x + map * s.height * s.width;
    FOR_MY_PIXELS(p, s.out_rows * s.out_columns) {
        int top = p / s.out_columns * s.row_stride - s.row_padding;
        int left = p % s.out_columns * s.column_stride - s.column_padding;
        int rows = cells_along(top, s.window_rows, s.height, s.row_padding);
        int columns = cells_along(left, s.window_columns, s.width, s.column_padding);
        int end_row = min(top + rows, s.height), end_column = min(left + columns, s.width);
        T sum = 0;
        for (int h = max(top, 0); h < end_row; h++)
            for (int w = max(left, 0); w < end_column; w++) sum += x_map[h * s.width + w];
        y[map * s.out_rows * s.out_columns + p] = sum / T(rows * columns);
    }
}

// dx[pixel] = the sum of dy / (cells of the window) over all windows that cover the pixel.
//
// dy  (count, OH, OW)
// dx  (count, H, W)
// One thread: one pixel; it gathers from its windows, row by row. Moves dy and dx once: the
// later reads of a dy hit the cache.
template <typename T>
__device__ void avg_pool2d_backward(const T *dy, T *dx, long long count, Windows s) {
    long long map = MY_MAP;
    if (map >= count) return;
    const T *dy_map = dy + map * s.out_rows * s.out_columns;
    FOR_MY_PIXELS(p, s.height * s.width) {
        int row = p / s.width + s.row_padding, column = p % s.width + s.column_padding;
        int end_i = end_over(row, s.row_stride, s.out_rows);
        int end_j = end_over(column, s.column_stride, s.out_columns);
        T sum = 0;
        for (int i = first_over(row, s.window_rows, s.row_stride); i < end_i; i++) {
            int top = i * s.row_stride - s.row_padding;
            int rows = cells_along(top, s.window_rows, s.height, s.row_padding);
            for (int j = first_over(column, s.window_columns, s.column_stride); j < end_j; j++) {
                int left = j * s.column_stride - s.column_padding;
                int columns = cells_along(left, s.window_columns, s.width, s.column_padding);
                sum += dy_map[i * s.out_columns + j] / T(rows * columns);
            }
        }
        dx[map * s.height * s.width + p] = sum;
    }
}

#define KERNELS(T) \
    KERNEL avg_pool2d_##T(const T *x, T *y, long long count, Windows s) { \
        avg_pool2d(x, y, count, s); \
    } \
    KERNEL avg_pool2d_backward_##T(const T *dy, T *dx, long long count, Windows s) { \
        avg_pool2d_backward(dy, dx, count, s); \
    }

KERNELS(float)
KERNELS(double)
