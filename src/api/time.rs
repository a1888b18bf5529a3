//! Conversion between the times of `k8s_openapi` (jiff) and of the operator (chrono).

use chrono::{DateTime, Utc};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

/// Truncates to whole seconds, as Kubernetes stores times.
pub fn to_kube(time: DateTime<Utc>) -> Time {
    Time(Timestamp::from_second(time.timestamp()).unwrap_or_default())
}

/// Truncates to whole seconds.
pub fn from_kube(time: &Time) -> DateTime<Utc> {
    DateTime::from_timestamp(time.0.as_second(), 0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_trip_truncates_to_whole_seconds() {
        let time = DateTime::from_timestamp_millis(1_800_000_000_999).unwrap();
        assert_eq!(from_kube(&to_kube(time)).timestamp_millis(), 1_800_000_000_000);
        assert_eq!(serde_json::to_string(&to_kube(time)).unwrap(), "\"2027-01-15T08:00:00Z\"");
    }
}
