// The windows of a pool: which pixels a window covers, and which windows cover a pixel.

// Window (i, j) begins at (i row_stride - row_padding, j column_stride - column_padding) of the map.
struct Windows {
    int height, width;
    int out_rows, out_columns;
    int window_rows, window_columns;
    int row_stride, column_stride;
    int row_padding, column_padding;
};

// Along one axis, the first window that covers a cell of the padded map, and one beyond the last.
__device__ inline int first_over(int cell, int window, int stride) {
    return cell < window ? 0 : (cell - window) / stride + 1;
}
__device__ inline int end_over(int cell, int stride, int windows) {
    return min(cell / stride + 1, windows);
}
