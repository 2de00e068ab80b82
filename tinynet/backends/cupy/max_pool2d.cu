// Max-pooling and its gradient.

#include "elements.cuh"

struct Geometry {
    int height, width, out_rows, out_columns;
    int window_rows, window_columns;
    int row_stride, column_stride;
    int row_padding, column_padding;
};

// y[map, i, j] = the largest x in the window at (i, j); switches = where it was.
//
// x            (maps, H, W)
// y, switches  (maps, OH, OW)   switches: index into the H x W map
// One thread: one output; it reads its window row by row. Padding counts as -inf, ties go to the
// first, NaN wins. Moves x, y and switches once: a pixel that several windows read comes from the
// cache.
template <typename T>
__device__ void max_pool2d(const T *x, T *y, int *switches, long long maps, Geometry g) {
    int out_pixels = g.out_rows * g.out_columns;
    long long map = MY_MAP;
    if (map >= maps) return;
    const T *image = x + map * g.height * g.width;
    FOR_MY_PIXELS(p, out_pixels) {
        int first_row = p / g.out_columns * g.row_stride - g.row_padding;
        int first_column = p % g.out_columns * g.column_stride - g.column_padding;
        int last_row = min(first_row + g.window_rows, g.height);
        int last_column = min(first_column + g.window_columns, g.width);
        first_row = max(first_row, 0);
        first_column = max(first_column, 0);
        int where = first_row * g.width + first_column;
        T largest = image[where];  // every window meets the map
        for (int row = first_row; row < last_row; row++) {
            for (int column = first_column; column < last_column; column++) {
                T candidate = image[row * g.width + column];
                if (candidate > largest || isnan(candidate)) {
                    largest = candidate;
                    where = row * g.width + column;
                }
            }
        }
        y[map * out_pixels + p] = largest;
        switches[map * out_pixels + p] = where;
    }
}

// dx[map, p] = the sum of dy over the windows whose switch is p.
//
// dy, switches  (maps, OH, OW)
// dx            (maps, H, W)
// One thread: one pixel; it asks the windows that cover it, row by row, for their switch. Moves dy,
// switches and dx once.
template <typename T>
__device__ void max_pool2d_backward(const T *dy, const int *switches, T *dx, long long maps,
                                    Geometry g) {
    int out_pixels = g.out_rows * g.out_columns;
    long long map = MY_MAP;
    if (map >= maps) return;
    const T *dy_map = dy + map * out_pixels;
    const int *switch_map = switches + map * out_pixels;
    FOR_MY_PIXELS(p, g.height * g.width) {
        int row = p / g.width + g.row_padding, column = p % g.width + g.column_padding;
        // Windows i stride ... i stride + window - 1 that hold the row.
        int first_i = max(row - g.window_rows + g.row_stride, 0) / g.row_stride;
        int first_j = max(column - g.window_columns + g.column_stride, 0) / g.column_stride;
        int last_i = min(row / g.row_stride, g.out_rows - 1);
        int last_j = min(column / g.column_stride, g.out_columns - 1);
        T sum = 0;
        for (int i = first_i; i <= last_i; i++) {
            for (int j = first_j; j <= last_j; j++) {
                int window = i * g.out_columns + j;
                if (switch_map[window] == p) sum += dy_map[window];
            }
        }
        dx[map * g.height * g.width + p] = sum;
    }
}

#define KERNELS(T) \
    KERNEL max_pool2d_##T(const T *x, T *y, int *switches, long long maps, Geometry g) { \
        max_pool2d(x, y, switches, maps, g); \
    } \
    KERNEL max_pool2d_backward_##T(const T *dy, const int *switches, T *dx, long long maps, \
                                   Geometry g) { \
        max_pool2d_backward(dy, switches, dx, maps, g); \
    }

KERNELS(float)
KERNELS(double)
