// From stored images to the input of a network: crop, mirror, change the colour, normalise.

#include "device/elements.cuh"

// Images are height x width, crops size x size, the mean image mean_size x mean_size. mean_size is
// size, or 1 for one number a channel.
struct Geometry {
    int height, width, size, mean_size;
};

// y[n, c, i, j] = (image[row + i, column + j, c] - mean[c, i, j] + shift[c]) / divisor[c], where
// (row, column) is the crop's first pixel. A mirrored crop is read backwards from its last column.
//
// images   (count, height, width, 3)
// crops    (count, 3)    row, column, 1 where mirrored
// shifts   (count, 3)    the change of colour in R, G, B; 0: none
// mean     (3, mean_size, mean_size)
// divisor  (3)
// y        (count, 3, size, size)
// One thread: the three channels of one pixel. Moves 1 byte and 1 number an element. There is no
// kernel for float64, since the commands train in float32.
KERNEL crop_float(const unsigned char *images, const int *crops, const float *shifts,
                  const float *mean, const float *divisor, float *y, long long count, Geometry g) {
    long long n = MY_MAP;
    if (n >= count) return;
    int first_row = crops[3 * n], first_column = crops[3 * n + 1], mirrored = crops[3 * n + 2];
    int pixels = g.size * g.size;
    FOR_MY_PIXELS(p, pixels) {
        int i = p / g.size, j = p % g.size;
        int row = first_row + i, column = first_column + (mirrored ? g.size - 1 - j : j);
        const unsigned char *pixel = images + 3 * ((n * g.height + row) * g.width + column);
        for (int c = 0; c < 3; c++) {
            float subtracted = g.mean_size == 1 ? mean[c] : mean[c * pixels + p];
            float value = float(pixel[c]) - subtracted + shifts[3 * n + c];
            y[(3 * n + c) * pixels + p] = value / divisor[c];
        }
    }
}
