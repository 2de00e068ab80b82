// Average pooling and its gradient.

#include "device/elements.cuh"
#include "device/sums.cuh"
#include "device/windows.cuh"

// Along one axis: window i's first cell on the map, the one after its last, and how many of its
// cells count. With count_include_pad cells of the padding count; cells beyond the padded edge
// (ceil_mode) never do.
struct Covered {
    int first, end, cells;
};
__device__ Covered covered(int i, int window, int stride, int padding, int size,
                           bool count_include_pad) {
    int start = i * stride - padding, stop = min(start + window, size + padding);
    int first = max(start, 0), end = min(stop, size);
    return {first, end, count_include_pad ? stop - start : end - first};
}

// y[n, c, i, j] = the sum of x in the window at (i, j) / (cells of the window that count).
//
// x  (count, H, W)    count: maps of all images
// y  (count, OH, OW)
// One thread: one output pixel; it adds the window row by row. Moves x and y once: where
// windows overlap, the later reads of a pixel hit the cache.
template <typename T>
__device__ void avg_pool2d(const T *x, T *y, long long count, bool count_include_pad, Windows s) {
    long long map = MY_MAP;
    if (map >= count) return;
    const T *x_map = x + map * s.height * s.width;
    FOR_MY_PIXELS(p, s.out_rows * s.out_columns) {
        Covered rows = covered(p / s.out_columns, s.window_rows, s.row_stride, s.row_padding,
                               s.height, count_include_pad);
        Covered columns = covered(p % s.out_columns, s.window_columns, s.column_stride,
                                  s.column_padding, s.width, count_include_pad);
        LongSum<T> sum;
        for (int h = rows.first; h < rows.end; h++)
            for (int w = columns.first; w < columns.end; w++) sum.add(x_map[h * s.width + w]);
        y[map * s.out_rows * s.out_columns + p] = sum.value() / T(rows.cells * columns.cells);
    }
}

// dx[pixel] = the sum of dy / (cells of the window that count) over all windows that cover the
// pixel.
//
// dy  (count, OH, OW)
// dx  (count, H, W)
// One thread: one pixel; it gathers from its windows, row by row. Moves dy and dx once: the
// later reads of a dy hit the cache.
template <typename T>
__device__ void avg_pool2d_backward(const T *dy, T *dx, long long count, bool count_include_pad,
                                    Windows s) {
    long long map = MY_MAP;
    if (map >= count) return;
    const T *dy_map = dy + map * s.out_rows * s.out_columns;
    FOR_MY_PIXELS(p, s.height * s.width) {
        int row = p / s.width + s.row_padding, column = p % s.width + s.column_padding;
        int end_i = end_over(row, s.row_stride, s.out_rows);
        int end_j = end_over(column, s.column_stride, s.out_columns);
        T sum = 0;
        for (int i = first_over(row, s.window_rows, s.row_stride); i < end_i; i++) {
            Covered rows =
                covered(i, s.window_rows, s.row_stride, s.row_padding, s.height, count_include_pad);
            for (int j = first_over(column, s.window_columns, s.column_stride); j < end_j; j++) {
                Covered columns = covered(j, s.window_columns, s.column_stride, s.column_padding,
                                          s.width, count_include_pad);
                sum += dy_map[i * s.out_columns + j] / T(rows.cells * columns.cells);
            }
        }
        dx[map * s.height * s.width + p] = sum;
    }
}

#define KERNELS(T) \
    KERNEL avg_pool2d_##T(const T *x, T *y, long long count, long long count_include_pad, \
                          Windows s) { \
        avg_pool2d(x, y, count, count_include_pad, s); \
    } \
    KERNEL avg_pool2d_backward_##T(const T *dy, T *dx, long long count, \
                                   long long count_include_pad, Windows s) { \
        avg_pool2d_backward(dy, dx, count, count_include_pad, s); \
    }

KERNELS(float)
KERNELS(double)
