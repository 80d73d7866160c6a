"""Estimates from logged propensities: what was tried at random stands for what was not.

Every estimate comes as one term for each logged order: their sum estimates the total over all
orders, their mean the mean. A weight is the probability of the action under the policy that is
asked about over the probability under the policy that was logged; 0 where another action was
taken, whose value is then not read and may be NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "doubly_robust_terms",
    "effective_sample_size",
    "ips_terms",
    "snips_terms",
]

_Floats = NDArray[np.float64]


def ips_terms(value: _Floats, weight: _Floats) -> _Floats:
    """Return each order's term of the estimate by inverse propensities: ``w v``.

    The sum is unbiased. It is noisy where few orders have a large weight, and depends on the
    origin of the values: with every value one higher it does not rise by exactly one an order.

    Parameters
    ----------
    value, weight : ndarray of float64, shape (n_orders,)
        See the module.

    Examples
    --------
    >>> ips_terms(np.array([5.0, np.nan, 7.0]), np.array([4.0, 0.0, 2.0])).tolist()
    [20.0, 0.0, 14.0]

    References
    ----------
    Horvitz and Thompson, "A generalization of sampling without replacement from a finite
    universe", JASA 1952.
    """
    return np.where(weight > 0.0, weight * value, 0.0)


def snips_terms(value: _Floats, weight: _Floats) -> _Floats:
    """Return each order's term of the self-normalised estimate: ``m + n w (v - m) / sum w``.

    ``m`` is the weighted mean and ``n`` the number of orders, so the sum is ``n m``. It does not
    depend on the origin of the values and lies within their range; its bias goes with one over
    the effective sample size.

    Parameters
    ----------
    value, weight : ndarray of float64, shape (n_orders,)
        See the module; at least one weight above 0.

    Examples
    --------
    >>> snips_terms(np.array([5.0, np.nan, 8.0]), np.array([4.0, 0.0, 2.0])).tolist()
    [4.0, 6.0, 8.0]

    References
    ----------
    Hájek, comment in "Foundations of Statistical Inference", 1971. Swaminathan and Joachims, "The
    self-normalized estimator for counterfactual learning", NIPS 2015.
    """
    total = weight.sum()
    mean = ips_terms(value, weight).sum() / total
    terms: _Floats = mean + len(weight) * ips_terms(value - mean, weight) / total
    return terms


def doubly_robust_terms(value: _Floats, weight: _Floats, modelled: _Floats) -> _Floats:
    """Return each order's term of the model's sum, corrected by what was tried: ``h + w (v - h)``.

    The sum is unbiased whatever the model says, if the model did not see the values. What the
    model explains, for instance that a large order has more at stake, is no longer noise.

    Parameters
    ----------
    value, weight : ndarray of float64, shape (n_orders,)
        See the module.
    modelled : ndarray of float64, shape (n_orders,)
        The value that a model expects.

    Examples
    --------
    >>> value, weight = np.array([5.0, np.nan, 8.0]), np.array([4.0, 0.0, 2.0])
    >>> doubly_robust_terms(value, weight, np.array([6.0, 6.0, 7.0])).tolist()
    [2.0, 6.0, 9.0]

    References
    ----------
    Särndal, Swensson and Wretman, "Model Assisted Survey Sampling", 1992, section 6.3 (the
    difference estimator). Dudík, Langford and Li, "Doubly robust policy evaluation and
    learning", ICML 2011.
    """
    return modelled + ips_terms(value - modelled, weight)


def effective_sample_size(weight: _Floats) -> float:
    """Return how many orders of equal weight say as much: ``(sum w)² / sum w²``.

    Parameters
    ----------
    weight : ndarray of float64, shape (n_orders,)
        0 or more; 0 where the order says nothing.

    Returns
    -------
    float
        From 0, with no order, to the number of weights above 0.

    Examples
    --------
    >>> effective_sample_size(np.array([20.0, 20.0, 0.0, 20.0]))
    3.0

    References
    ----------
    Kish, "Survey Sampling", 1965, section 11.7.
    """
    largest = weight.max(initial=0.0)
    if largest == 0.0:
        return 0.0
    scaled = weight / largest
    return float(scaled.sum() ** 2 / (scaled @ scaled))
