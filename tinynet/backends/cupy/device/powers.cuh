// Powers of the normalisations.

// scale^-beta. The paper's beta, 3/4, takes two square roots.
template <typename T> __device__ T inverse_power(T scale, T beta) {
    if (beta == T(0.75)) {
        T root = rsqrt(scale);
        return root * sqrt(root);
    }
    return pow(scale, -beta);
}
