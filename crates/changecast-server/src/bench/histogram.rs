//! How often each latency came: exact below 64, then 64 buckets for each doubling, so that a
//! quantile is at most 1.6 % too large.

/// Buckets below the first that holds more than one value, and in every doubling after.
const BUCKETS: u64 = 64;

/// The number of bits of `BUCKETS - 1`.
const BUCKET_BITS: u32 = BUCKETS.trailing_zeros();

/// Counts of values, in any unit.
pub(super) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        let doublings = (u64::BITS - BUCKET_BITS + 1) as usize;
        Self { counts: vec![0; doublings * BUCKETS as usize], total: 0, max: 0 }
    }

    pub(super) fn record(&mut self, value: u64) {
        // Every value has a bucket.
        if let Some(count) = self.counts.get_mut(bucket_of(value)) {
            *count += 1;
        }
        self.total += 1;
        self.max = self.max.max(value);
    }

    /// The value that this share of all values does not exceed; 0 without any.
    pub(super) fn quantile(&self, share: f64) -> u64 {
        let wanted = (self.total as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return largest_in(bucket).min(self.max);
            }
        }
        self.max
    }

    pub(super) fn max(&self) -> u64 {
        self.max
    }
}

fn bucket_of(value: u64) -> usize {
    if value < BUCKETS {
        return value as usize;
    }
    let shift = value.ilog2() - BUCKET_BITS;
    // The leading bit is in the doubling's number already.
    (u64::from(shift + 1) * BUCKETS + ((value >> shift) - BUCKETS)) as usize
}

fn largest_in(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < BUCKETS {
        return bucket;
    }
    let shift = bucket / BUCKETS - 1;
    let first = (BUCKETS + bucket % BUCKETS) << shift;
    first + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_falls_into_the_bucket_that_holds_it() {
        let around = (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        let mut previous = (0, 0);
        for value in around.chain([u64::MAX]) {
            let bucket = bucket_of(value);
            let largest = largest_in(bucket);
            assert!(largest >= value && (largest - value) as f64 <= value as f64 / 64.0);
            assert_eq!(bucket_of(largest), bucket, "{value}");
            assert!(value < previous.0 || bucket >= previous.1, "{value} comes after");
            previous = (value, bucket);
        }
        assert!(bucket_of(u64::MAX) < Histogram::new().counts.len());
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_values() {
        let mut histogram = Histogram::new();
        assert_eq!((histogram.quantile(0.5), histogram.max()), (0, 0));
        for value in (1..=100_000).rev() {
            histogram.record(value);
        }
        for (share, exact) in [(0.0, 1), (0.5, 50_000), (0.99, 99_000), (0.999, 99_900)] {
            let found = histogram.quantile(share);
            assert!((exact..=exact + exact / 64).contains(&found), "{share}: {found}");
        }
        assert_eq!((histogram.quantile(1.0), histogram.max()), (100_000, 100_000));
    }
}
