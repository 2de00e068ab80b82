// Stochastic gradient descent with momentum and weight decay: all parameters in one launch.

#include "arrays.cuh"
#include "elements.cuh"

// A block has EACH * blockDim.x elements of one array. Array a has the blocks from ends[a - 1] to
// ends[a] - 1.
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
// One thread: EACH elements of one array, a block apart. Moves 5 numbers an element: w, g, v in, w
// and v out.
template <bool PAPER, typename T>
__device__ void sgd(Arrays<T> weights, Arrays<const T> gradients, Arrays<T> velocities, Sizes sizes,
                    Sizes ends, const T *lr, T momentum, T weight_decay) {
    int array = my_array(ends);
    T *w = weights.at[array], *v = velocities.at[array];
    const T *g = gradients.at[array];
    long long count = sizes.of[array], block = blockIdx.x - (array ? ends.of[array - 1] : 0);
    long long first = block * EACH * blockDim.x + threadIdx.x;
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
                         Sizes sizes, Sizes ends, const T *lr, T momentum, T weight_decay) { \
        sgd<true>(weights, gradients, velocities, sizes, ends, lr, momentum, weight_decay); \
    } \
    KERNEL sgd_pytorch_##T(Arrays<T> weights, Arrays<const T> gradients, Arrays<T> velocities, \
                           Sizes sizes, Sizes ends, const T *lr, T momentum, T weight_decay) { \
        sgd<false>(weights, gradients, velocities, sizes, ends, lr, momentum, weight_decay); \
    }

KERNELS(float)
KERNELS(double)
