// Stochastic gradient descent with momentum and weight decay: up to TABLE parameters in one launch.

#include "device/arrays.cuh"
#include "device/elements.cuh"

// A block has ITEMS_PER_THREAD * blockDim.x elements of one array. Array a has the blocks from
// ends[a - 1] to ends[a] - 1.
__device__ inline int my_array(const Sizes &ends) {
    int array = 0;
    while (blockIdx.x >= ends.of[array]) array++;
    return array;
}

// paper    v = momentum v - lr (g + weight_decay w)     w = w + v
// PyTorch  v = momentum v + (g + weight_decay w)        w = w - lr v
//
// weights, gradients, velocities  lists of arrays; sizes: the elements of each; ends: see my_array
// lr                              ()
// One thread: ITEMS_PER_THREAD elements of one array, a block apart. Moves 5 numbers an element: w,
// g, v in, w and v out.
template <bool PAPER, typename T>
__device__ void sgd(Arrays<T> weights, Arrays<const T> gradients, Arrays<T> velocities, Sizes sizes,
                    Sizes ends, const T *lr, T momentum, T weight_decay) {
    int array = my_array(ends);
    T *w = weights.at[array], *v = velocities.at[array];
    const T *g = gradients.at[array];
    long long count = sizes.of[array], block = blockIdx.x - (array ? ends.of[array - 1] : 0);
    long long first = block * ITEMS_PER_THREAD * blockDim.x + threadIdx.x;
    T rate = *lr;
    T weight[ITEMS_PER_THREAD], velocity[ITEMS_PER_THREAD], slope[ITEMS_PER_THREAD];
    EACH_ITEM(item) {
        long long i = first + item * blockDim.x;
        if (i < count) weight[item] = w[i], velocity[item] = v[i], slope[item] = g[i];
    }
    EACH_ITEM(item) {
        long long i = first + item * blockDim.x;
        if (i >= count) return;
        T step = slope[item] + weight_decay * weight[item];
        velocity[item] = momentum * velocity[item] + (PAPER ? -rate * step : step);
        v[i] = velocity[item];
        w[i] = weight[item] + (PAPER ? velocity[item] : -rate * velocity[item]);
    }
}

#define KERNELS(T) \
    KERNEL sgd_paper_##T(Arrays<T> weights, Arrays<const T> gradients, Arrays<T> velocities, \
                         Sizes sizes, Sizes ends, const T *lr, T momentum, T weight_decay) { \
        sgd<true>(weights, gradients, velocities, sizes, ends, lr, momentum, weight_decay); \
    } \
    KERNEL sgd_pytorch_##T(Arrays<T> weights, Arrays<const T> gradients, Arrays<T> velocities, \
                           Sizes sizes, Sizes ends, const T *lr, T momentum, T weight_decay) { \
        sgd<false>(weights, gradients, velocities, sizes, ends, lr, momentum, weight_decay); \
    }

KERNELS(float)
KERNELS(double)
