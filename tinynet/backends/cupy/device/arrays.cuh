// Lists of arrays as arguments of a kernel: pointers and sizes by value.

#define TABLE 64  // as in launch.py

template <typename T> struct Arrays {
    T *at[TABLE];
};

struct Sizes {
    long long of[TABLE];
};
