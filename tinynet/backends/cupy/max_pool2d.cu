// Max-pooling and its gradient.

#include "device/elements.cuh"
#include "device/windows.cuh"

// y[map, i, j] = the largest x in the window at (i, j); switches = where it was.
//
// x            (maps, H, W)
// y, switches  (maps, OH, OW)   switches: index into the H x W map
// One thread: one output; it reads its window row by row. Padding counts as -inf, ties go to the
// first, NaN wins. Moves x, y and switches once: a pixel that several windows read comes from the
// cache.
template <typename T>
__device__ void max_pool2d(const T *x, T *y, int *switches, long long maps, Windows s) {
    int out_pixels = s.out_rows * s.out_columns;
    long long map = MY_MAP;
    if (map >= maps) return;
    const T *image = x + map * s.height * s.width;
    FOR_MY_PIXELS(p, out_pixels) {
        int first_row = p / s.out_columns * s.row_stride - s.row_padding;
        int first_column = p % s.out_columns * s.column_stride - s.column_padding;
        int last_row = min(first_row + s.window_rows, s.height);
        int last_column = min(first_column + s.window_columns, s.width);
        first_row = max(first_row, 0);
        first_column = max(first_column, 0);
        int where = first_row * s.width + first_column;
        T largest = image[where];  // every window overlaps the map
        for (int row = first_row; row < last_row; row++) {
            for (int column = first_column; column < last_column; column++) {
                T candidate = image[row * s.width + column];
                if (candidate > largest || isnan(candidate)) {
                    largest = candidate;
                    where = row * s.width + column;
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
// One thread: one pixel; it reads the switches of the windows that cover it, row by row. Moves dy,
// switches and dx once.
template <typename T>
__device__ void max_pool2d_backward(const T *dy, const int *switches, T *dx, long long maps,
                                    Windows s) {
    int out_pixels = s.out_rows * s.out_columns;
    long long map = MY_MAP;
    if (map >= maps) return;
    const T *dy_map = dy + map * out_pixels;
    const int *switch_map = switches + map * out_pixels;
    FOR_MY_PIXELS(p, s.height * s.width) {
        int row = p / s.width + s.row_padding, column = p % s.width + s.column_padding;
        int end_i = end_over(row, s.row_stride, s.out_rows);
        int end_j = end_over(column, s.column_stride, s.out_columns);
        T sum = 0;
        for (int i = first_over(row, s.window_rows, s.row_stride); i < end_i; i++) {
            for (int j = first_over(column, s.window_columns, s.column_stride); j < end_j; j++) {
                int window = i * s.out_columns + j;
                if (switch_map[window] == p) sum += dy_map[window];
            }
        }
        dx[map * s.height * s.width + p] = sum;
    }
}

#define KERNELS(T) \
    KERNEL max_pool2d_##T(const T *x, T *y, int *switches, long long maps, Windows s) { \
        max_pool2d(x, y, switches, maps, s); \
    } \
    KERNEL max_pool2d_backward_##T(const T *dy, const int *switches, T *dx, long long maps, \
                                   Windows s) { \
        max_pool2d_backward(dy, switches, dx, maps, s); \
    }

KERNELS(float)
KERNELS(double)
