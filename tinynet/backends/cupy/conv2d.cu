// The copies of convolution: im2col, its transpose col2im, and maps of several images laid side by
// side and back. cuBLAS computes the products between them.

#include "device/elements.cuh"

struct Geometry {
    int channels, channels_of_group, height, width;
    int rows_of_group;  // of columns, with the rows of zeros
    int kernel_rows, kernel_columns;
    int out_rows, out_columns;
    int row_stride, column_stride;
    int row_padding, column_padding;
};

// The row of columns that holds the first kernel cell of channel c.
__device__ long long first_row_of(long long c, Geometry g) {
    long long in_group = c % g.channels_of_group * g.kernel_rows * g.kernel_columns;
    return c / g.channels_of_group * g.rows_of_group + in_group;
}

// columns[c, u, v, n, i, j] = x[n, c, i stride + u - padding, j stride + v - padding], or 0
// outside.
//
// x        (images, C, H, W)
// columns  (G, R, images, OH, OW); a group's first C / G KH KW rows are its (c, u, v)
// One thread: the KH KW pixels under the kernel at (i, j) in one map; the next thread has j + 1, so
// neighbouring threads write neighbouring addresses. Moves x once and all columns once: of the KH
// KW reads of a pixel, the later ones hit the cache.
template <typename T> __device__ void im2col(const T *x, T *columns, long long images, Geometry g) {
    int pixels = g.out_rows * g.out_columns;
    long long map = MY_MAP;  // n C + c
    if (map >= images * g.channels) return;
    long long n = map / g.channels, c = map % g.channels;
    const T *image = x + map * g.height * g.width;
    FOR_MY_PIXELS(p, pixels) {
        int first_row = p / g.out_columns * g.row_stride - g.row_padding;
        int first_column = p % g.out_columns * g.column_stride - g.column_padding;
        T *column = columns + (first_row_of(c, g) * images + n) * pixels + p;
        for (int u = 0; u < g.kernel_rows; u++) {
            for (int v = 0; v < g.kernel_columns; v++) {
                int row = first_row + u, w = first_column + v;
                bool inside = 0 <= row && row < g.height && 0 <= w && w < g.width;
                *column = inside ? image[row * g.width + w] : T(0);
                column += images * pixels;
            }
        }
    }
}

// x[n, c, h, w] = the sum of the cells of columns that im2col fills from x[n, c, h, w].
//
// columns  (G, R, images, OH, OW)
// x        (images, C, H, W)
// One thread: one pixel; it gathers, in the order of (u, v), from the outputs whose kernel covers
// it. Moves all columns once and x once.
template <typename T> __device__ void col2im(const T *columns, T *x, long long images, Geometry g) {
    int out_pixels = g.out_rows * g.out_columns;
    long long map = MY_MAP;  // n C + c
    if (map >= images * g.channels) return;
    long long n = map / g.channels, c = map % g.channels;
    const T *columns_of_map = columns + (first_row_of(c, g) * images + n) * out_pixels;
    FOR_MY_PIXELS(p, g.height * g.width) {
        int row = p / g.width + g.row_padding, column = p % g.width + g.column_padding;
        T sum = 0;
        for (int u = row % g.row_stride; u < g.kernel_rows && u <= row; u += g.row_stride) {
            int i = (row - u) / g.row_stride;
            if (i >= g.out_rows) continue;
            for (int v = column % g.column_stride; v < g.kernel_columns && v <= column;
                 v += g.column_stride) {
                int j = (column - v) / g.column_stride;
                if (j >= g.out_columns) continue;
                long long cell = u * g.kernel_columns + v;
                sum += columns_of_map[cell * images * out_pixels + i * g.out_columns + j];
            }
        }
        x[map * g.height * g.width + p] = sum;
    }
}

// side_by_side[o, n, p] = maps[n, o, p]: each channel's maps of all images side by side.
//
// maps          (images, channels, pixels)
// side_by_side  (channels, images, pixels)
// One thread: one pixel. Moves both arrays once.
template <typename T>
__device__ void gather(const T *__restrict__ maps, T *__restrict__ side_by_side, long long images,
                       long long channels, long long pixels) {
    long long map = MY_MAP;  // n channels + o
    if (map >= images * channels) return;
    long long place = map % channels * images + map / channels;
    FOR_MY_PIXELS(p, pixels) side_by_side[place * pixels + p] = maps[map * pixels + p];
}

// y[n, o, p] = side_by_side[o, n, p] + bias[o]: the inverse of gather, and the bias.
//
// side_by_side  (channels, images, pixels)
// bias          (channels), or null for none
// y             (images, channels, pixels)
// One thread: one pixel. Moves both arrays once.
template <typename T>
__device__ void spread(const T *__restrict__ side_by_side, const T *bias, T *__restrict__ y,
                       long long images, long long channels, long long pixels) {
    long long map = MY_MAP;  // n channels + o
    if (map >= images * channels) return;
    long long o = map % channels, place = o * images + map / channels;
    T added = bias ? bias[o] : T(0);
    FOR_MY_PIXELS(p, pixels) y[map * pixels + p] = side_by_side[place * pixels + p] + added;
}

#define KERNELS(T) \
    KERNEL im2col_##T(const T *x, T *columns, long long images, Geometry g) { \
        im2col(x, columns, images, g); \
    } \
    KERNEL col2im_##T(const T *columns, T *x, long long images, Geometry g) { \
        col2im(columns, x, images, g); \
    } \
    KERNEL gather_##T(const T *maps, T *side_by_side, long long images, long long channels, \
                      long long pixels) { \
        gather(maps, side_by_side, images, channels, pixels); \
    } \
    KERNEL spread_##T(const T *side_by_side, const T *bias, T *y, long long images, \
                      long long channels, long long pixels) { \
        spread(side_by_side, bias, y, images, channels, pixels); \
    }

KERNELS(float)
KERNELS(double)
