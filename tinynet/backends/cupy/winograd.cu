// Winograd's tiles: maps to tiles of 6 x 6 and back, kernels to tiles and back. cuBLAS computes the
// products at the tiles' 36 points. numpy/winograd.py derives the matrices A, B and G.
//
// K is the kernel's size, 3 or 5. A tile gives m x m outputs, m = 7 - K.

#include "device/elements.cuh"

// --- along one line of a tile, in place: its six numbers lie `step` apart ---

// B^T d with B^T =
//     4  0 -5  0  1  0
//     0 -4 -4  1  1  0
//     0  4 -4 -1  1  0
//     0 -2 -1  2  1  0
//     0  2 -1 -2  1  0
//     0  4  0 -5  0  1
template <typename T> __device__ __forceinline__ void B_transposed(T *d, int step) {
    T d0 = d[0], d1 = d[step], d2 = d[2 * step];
    T d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
    T even = d4 - 4 * d2, odd = d3 - 4 * d1;
    T even_2 = d4 - d2, odd_2 = 2 * (d3 - d1);
    d[0] = 4 * d0 - 5 * d2 + d4;
    d[step] = even + odd;
    d[2 * step] = even - odd;
    d[3 * step] = even_2 + odd_2;
    d[4 * step] = even_2 - odd_2;
    d[5 * step] = 4 * d1 - 5 * d3 + d5;
}

// The polynomial of `count` coefficients a at the points 0, 1, -1, 2, -2, infinity: A a where count
// is m. Row p of the matrix is 1, p, p^2, ...; the last is 0, ..., 0, 1.
template <int count, typename T> __device__ __forceinline__ void evaluate(T *a, int step) {
    T first = a[0], last = a[(count - 1) * step];
    T even = first, odd = a[step], even_2 = first, odd_2 = 2 * a[step];
    if (count > 2) even += a[2 * step], even_2 += 4 * a[2 * step];
    if (count > 3) odd += a[3 * step], odd_2 += 8 * a[3 * step];
    if (count > 4) even += a[4 * step], even_2 += 16 * a[4 * step];
    a[step] = even + odd;
    a[2 * step] = even - odd;
    a[3 * step] = even_2 + odd_2;
    a[4 * step] = even_2 - odd_2;
    a[5 * step] = last;
}

// The transpose of evaluate, from six numbers to `count`: A^T M where count is m.
template <int count, typename T>
__device__ __forceinline__ void evaluate_transposed(T *a, int step) {
    T even = a[step] + a[2 * step], odd = a[step] - a[2 * step];
    T even_2 = a[3 * step] + a[4 * step], odd_2 = a[3 * step] - a[4 * step];
    T last = a[5 * step];
    a[0] += even + even_2;
    a[step] = odd + 2 * odd_2;
    if (count > 2) a[2 * step] = even + 4 * even_2;
    if (count > 3) a[3 * step] = odd + 8 * odd_2;
    if (count > 4) a[4 * step] = even + 16 * even_2;
    a[(count - 1) * step] += last;
}

// Divide the value at each point p by the product of p - q over the other points q.
template <typename T> __device__ __forceinline__ void divide(T *a, int step) {
    a[0] *= T(1) / 4;
    a[step] *= -T(1) / 6;
    a[2 * step] *= -T(1) / 6;
    a[3 * step] *= T(1) / 24;
    a[4 * step] *= T(1) / 24;
}

// --- maps and tiles ---

// The maps of a chunk of images, each covered by down x across tiles, m pixels apart.
struct Maps {
    int channels, height, width;
    int down, across;
    int row_padding, column_padding;  // negative: rows, columns are cut off
};

// Copies the size x size pixels of tile t in channel c, zeros outside the map, into the upper left
// corner of a 6 x 6 tile.
template <int size, int m, typename T>
__device__ __forceinline__ void cut(const T *maps, long long c, int t, const Maps &s, T *tile) {
    int n = t / (s.down * s.across), in_map = t % (s.down * s.across);
    int top = in_map / s.across * m - s.row_padding,
        left = in_map % s.across * m - s.column_padding;
    const T *map = maps + (n * (long long)s.channels + c) * s.height * s.width;
    UNROLLED for (int i = 0; i < size; i++) {
        UNROLLED for (int j = 0; j < size; j++) {
            int row = top + i, column = left + j;
            bool inside = 0 <= row && row < s.height && 0 <= column && column < s.width;
            tile[6 * i + j] = inside ? map[row * s.width + column] : T(0);
        }
    }
}

// V = B^T d B of every tile d of x.
//
// x  (images, C, H, W)
// V  (36, C, tiles)     tiles of all the images
// One thread: one tile of one channel; the next thread has the next tile, so neighbouring threads
// write neighbouring addresses. Moves x once and V once: tiles overlap by K - 1 pixels, whose later
// reads hit the cache.
template <typename T, int K> __device__ void x_to_V(const T *x, T *V, long long tiles, Maps s) {
    long long c = MY_MAP;
    if (c >= s.channels) return;
    FOR_MY_PIXELS(t, tiles) {
        T d[36];
        cut<6, 7 - K>(x, c, t, s, d);
        UNROLLED for (int j = 0; j < 6; j++) B_transposed(d + j, 6);
        UNROLLED for (int i = 0; i < 6; i++) B_transposed(d + 6 * i, 1);
        UNROLLED for (int p = 0; p < 36; p++) V[(p * s.channels + c) * tiles + t] = d[p];
    }
}

// y = A^T M A + bias of every tile M, cut off at the map's edge.
//
// M     (36, O, tiles)
// bias  (O), or null for none
// y     (images, O, OH, OW)
// One thread: one tile of one channel. Moves M once and y once.
template <typename T, int K>
__device__ void M_to_y(const T *M, const T *bias, T *y, long long tiles, Maps s) {
    constexpr int m = 7 - K;
    long long o = MY_MAP;
    if (o >= s.channels) return;
    T added = bias ? bias[o] : T(0);
    FOR_MY_PIXELS(t, tiles) {
        T a[36];
        UNROLLED for (int p = 0; p < 36; p++) a[p] = M[(p * s.channels + o) * tiles + t];
        UNROLLED for (int j = 0; j < 6; j++) evaluate_transposed<m>(a + j, 6);
        UNROLLED for (int i = 0; i < m; i++) evaluate_transposed<m>(a + 6 * i, 1);
        int n = t / (s.down * s.across), in_map = t % (s.down * s.across);
        int top = in_map / s.across * m, left = in_map % s.across * m;
        T *map = y + (n * (long long)s.channels + o) * s.height * s.width;
        UNROLLED for (int i = 0; i < m; i++) {
            UNROLLED for (int j = 0; j < m; j++) {
                int row = top + i, column = left + j;
                if (row < s.height && column < s.width)
                    map[row * s.width + column] = a[6 * i + j] + added;
            }
        }
    }
}

// dM = A dy A^T of every tile of dy.
//
// dy  (images, O, OH, OW)
// dM  (36, O, tiles)
// One thread: one tile of one channel. Moves dy once and dM once.
template <typename T, int K> __device__ void dy_to_dM(const T *dy, T *dM, long long tiles, Maps s) {
    constexpr int m = 7 - K;
    long long o = MY_MAP;
    if (o >= s.channels) return;
    FOR_MY_PIXELS(t, tiles) {
        T a[36];
        cut<m, m>(dy, o, t, s, a);
        UNROLLED for (int j = 0; j < m; j++) evaluate<m>(a + j, 6);
        UNROLLED for (int i = 0; i < 6; i++) evaluate<m>(a + 6 * i, 1);
        UNROLLED for (int p = 0; p < 36; p++) dM[(p * s.channels + o) * tiles + t] = a[p];
    }
}

// --- kernels and tiles ---

// U = G g G^T of every kernel g, turned by 180 degrees where `turned` is 1.
//
// weight  (count, K, K)    count: O C / G
// U       (36, count)
// One thread: one kernel. Moves weight once and U once.
template <typename T, int K>
__device__ void weight_to_U(const T *weight, T *U, long long count, long long turned) {
    long long kernel = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (kernel >= count) return;
    const T *g = weight + kernel * K * K;
    T a[36];
    UNROLLED for (int u = 0; u < K; u++) {
        UNROLLED for (int v = 0; v < K; v++) {
            int place = u * K + v;
            a[6 * u + v] = g[turned ? K * K - 1 - place : place];
        }
    }
    UNROLLED for (int v = 0; v < K; v++) evaluate<K>(a + v, 6), divide(a + v, 6);
    UNROLLED for (int i = 0; i < 6; i++) evaluate<K>(a + 6 * i, 1), divide(a + 6 * i, 1);
    UNROLLED for (int p = 0; p < 36; p++) U[p * count + kernel] = a[p];
}

// dg = G^T dU G of every kernel.
//
// dU       (36, count)
// dweight  (count, K, K)
// One thread: one kernel. Moves dU once and dweight once.
template <typename T, int K>
__device__ void dU_to_dweight(const T *dU, T *dweight, long long count) {
    long long kernel = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (kernel >= count) return;
    T a[36];
    UNROLLED for (int p = 0; p < 36; p++) a[p] = dU[p * count + kernel];
    UNROLLED for (int j = 0; j < 6; j++) divide(a + j, 6), evaluate_transposed<K>(a + j, 6);
    UNROLLED for (int u = 0; u < K; u++) divide(a + 6 * u, 1), evaluate_transposed<K>(a + 6 * u, 1);
    T *dg = dweight + kernel * K * K;
    UNROLLED for (int u = 0; u < K; u++) {
        UNROLLED for (int v = 0; v < K; v++) dg[u * K + v] = a[6 * u + v];
    }
}

#define KERNELS(K, T) \
    KERNEL x_to_V_##K##_##T(const T *x, T *V, long long tiles, Maps s) { \
        x_to_V<T, K>(x, V, tiles, s); \
    } \
    KERNEL M_to_y_##K##_##T(const T *M, const T *bias, T *y, long long tiles, Maps s) { \
        M_to_y<T, K>(M, bias, y, tiles, s); \
    } \
    KERNEL dy_to_dM_##K##_##T(const T *dy, T *dM, long long tiles, Maps s) { \
        dy_to_dM<T, K>(dy, dM, tiles, s); \
    } \
    KERNEL weight_to_U_##K##_##T(const T *weight, T *U, long long count, long long turned) { \
        weight_to_U<T, K>(weight, U, count, turned); \
    } \
    KERNEL dU_to_dweight_##K##_##T(const T *dU, T *dweight, long long count) { \
        dU_to_dweight<T, K>(dU, dweight, count); \
    }

KERNELS(3, float)
KERNELS(3, double)
KERNELS(5, float)
KERNELS(5, double)
