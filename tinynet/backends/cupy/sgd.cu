// Stochastic gradient descent with momentum and weight decay: all parameters in one launch.

#include "arrays.cuh"
#include "elements.cuh"

// Blocks take EACH * blockDim.x elements, and none takes elements of two arrays: the first blocks
// have the first array, the next ones the second. My array's number, and which of its blocks this
// is.
struct Place {
    int array;
    long long block;
};

__device__ inline Place my_place(const Sizes &sizes) {
    Place place = {0, blockIdx.x};
    for (;; place.array++) {
        long long blocks = (sizes.of[place.array] + EACH * blockDim.x - 1) / (EACH * blockDim.x);
        if (place.block < blocks) return place;
        place.block -= blocks;
    }
}

// paper    v = momentum v - lr (g + weight_decay w)     w = w + v
// PyTorch  v = momentum v + (g + weight_decay w)        w = w - lr v
//
// weights, gradients, velocities  lists of arrays; sizes: the elements of each
// lr                              ()
// One thread: EACH elements of one array, a block apart. Moves 5 numbers an element: w, g, v in, w
// and v out.
template <bool PAPER, typename T>
__device__ void sgd(Arrays<T> weights, Arrays<const T> gradients, Arrays<T> velocities, Sizes sizes,
                    const T *lr, T momentum, T weight_decay) {
    Place place = my_place(sizes);
    T *w = weights.at[place.array], *v = velocities.at[place.array];
    const T *g = gradients.at[place.array];
    long long count = sizes.of[place.array], first = place.block * EACH * blockDim.x + threadIdx.x;
    T rate = *lr;
    T weight[EACH], velocity[EACH], slope[EACH];
    EACH_TURN(turn) {
        long long i = first + turn * blockDim.x;
        if (i < count) weight[turn] = w[i], velocity[turn] = v[i], slope[turn] = g[i];
    }
    EACH_TURN(turn) {
        long long i = first + turn * blockDim.x;
        if (i >= count) return;
        T step = slope[turn] + weight_decay * weight[turn];
        velocity[turn] = momentum * velocity[turn] + (PAPER ? -rate * step : step);
        v[i] = velocity[turn];
        w[i] = weight[turn] + (PAPER ? velocity[turn] : -rate * velocity[turn]);
    }
}

#define KERNELS(T) \
    KERNEL sgd_paper_##T(Arrays<T> weights, Arrays<const T> gradients, Arrays<T> velocities, \
                         Sizes sizes, const T *lr, T momentum, T weight_decay) { \
        sgd<true>(weights, gradients, velocities, sizes, lr, momentum, weight_decay); \
    } \
    KERNEL sgd_pytorch_##T(Arrays<T> weights, Arrays<const T> gradients, Arrays<T> velocities, \
                           Sizes sizes, const T *lr, T momentum, T weight_decay) { \
        sgd<false>(weights, gradients, velocities, sizes, lr, momentum, weight_decay); \
    }

KERNELS(float)
KERNELS(double)
