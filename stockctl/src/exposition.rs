//! Figures in OpenMetrics: families of samples, written by prometheus-client.

use std::collections::BTreeMap;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{text, DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

/// The type of the text, for the head of an HTTP answer.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether a figure only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It grows until its server starts anew; its name ends in `_total`.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// What a family is: its name without unit and `_total`, what it says, and how it behaves.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// The name, without the unit and `_total`, which are added.
    pub name: &'static str,
    /// What it is, as one sentence.
    pub help: &'static str,
    /// Whether it only grows.
    pub kind: Kind,
    /// The unit of the name: `seconds`, `bytes`, `units`; none where things are counted.
    pub unit: Option<&'static str>,
}

/// Labels with their values.
pub type Labels = Vec<(&'static str, String)>;

/// Samples by family, in the order in which families were first named.
#[derive(Debug, Default)]
pub struct Exposition {
    families: Vec<(Family, BTreeMap<Labels, f64>)>,
}

impl Exposition {
    /// Adds a sample. One with the same labels is replaced: a family that says two things of one
    /// series would be refused as a whole.
    pub fn add(&mut self, family: &Family, labels: Labels, value: f64) {
        let at = self.families.iter().position(|(known, _)| known.name == family.name);
        let at = at.unwrap_or_else(|| {
            self.families.push((*family, BTreeMap::new()));
            self.families.len() - 1
        });
        if let Some((_, samples)) = self.families.get_mut(at) {
            samples.insert(labels, value);
        }
    }

    /// The text.
    pub fn text(self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut out = String::new();
        match text::encode(&mut out, &registry) {
            Ok(()) => out,
            // Writing into a String does not fail.
            Err(_) => String::new(),
        }
    }
}

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for (family, samples) in &self.families {
            let unit = family.unit.map(unit);
            let kind = match family.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
            };
            let mut metric = encoder.encode_descriptor(family.name, family.help, unit.as_ref(), kind)?;
            for (labels, value) in samples {
                let sample = metric.encode_family(labels)?;
                match family.kind {
                    Kind::Counter => ConstCounter::new(*value).encode(sample)?,
                    Kind::Gauge => ConstGauge::new(*value).encode(sample)?,
                }
            }
        }
        Ok(())
    }
}

fn unit(name: &'static str) -> Unit {
    match name {
        "seconds" => Unit::Seconds,
        "bytes" => Unit::Bytes,
        other => Unit::Other(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_units_and_labels_are_quoted() {
        let mut all = Exposition::default();
        let lag = Family { name: "stock_lag", help: "Late.", kind: Kind::Gauge, unit: Some("seconds") };
        let calls = Family { name: "stock_calls", help: "Calls.", kind: Kind::Counter, unit: None };
        all.add(&lag, vec![("node", "a".into())], 0.25);
        all.add(&calls, vec![("node", "a".into()), ("pool", "x\"\\x0a\n".into())], 3.0);
        all.add(&lag, vec![("node", "b".into())], 1.0);
        all.add(&lag, vec![("node", "b".into())], 2.0);
        let expected = "# HELP stock_lag_seconds Late.
# TYPE stock_lag_seconds gauge
# UNIT stock_lag_seconds seconds
stock_lag_seconds{node=\"a\"} 0.25
stock_lag_seconds{node=\"b\"} 2.0
# HELP stock_calls Calls.
# TYPE stock_calls counter
stock_calls_total{node=\"a\",pool=\"x\\\"\\\\x0a\\n\"} 3.0
# EOF
";
        assert_eq!(all.text(), expected);
    }
}
