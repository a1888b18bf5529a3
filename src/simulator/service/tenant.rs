//! Zones, quota and maintenance windows (API reference 4.9.2 to 4.9.4).

use serde_json::json;

use super::{
    api_error::{ApiError, Result},
    ids,
    instance::Instance,
    state::Service,
    validate,
};
use crate::{dcs::model::InstanceStatus, simulator::call::Reply};

/// An availability zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Zone {
    pub(super) code: String,
    pub(super) id: String,
    pub(super) sold_out: bool,
}

// === impl Service ===

impl Service {
    /// Zones of the region.
    pub(super) fn zones(&self) -> impl Iterator<Item = Zone> {
        self.options.zones.iter().map(|zone| Zone {
            code: zone.code.clone(),
            id: self.zone_id(&zone.code),
            sold_out: self.sold_out.contains(&zone.code),
        })
    }

    /// Codes of the zones that are not sold out.
    pub(super) fn available_zone_codes(&self) -> Vec<&str> {
        let codes = self.options.zones.iter().map(|zone| zone.code.as_str());
        codes.filter(|code| !self.sold_out.contains(*code)).collect()
    }

    /// Derives the id of a zone from its code.
    pub(super) fn zone_id(&self, code: &str) -> String {
        ids::short(&[b"zone", &self.options.seed.to_be_bytes(), code.as_bytes()])
    }

    /// Requires a zone with resources: `DCS.4054`, or `unknown` if the zone does not exist.
    pub(super) fn available_zone(&self, code: &str, unknown: &'static str) -> Result<String> {
        let zone = self.zones().find(|zone| zone.code == code).ok_or_else(|| ApiError::new(unknown))?;
        if zone.sold_out { Err(ApiError::new("DCS.4054")) } else { Ok(zone.code) }
    }

    /// API reference 4.9.4.
    pub(super) fn list_zones(&self) -> Reply {
        let zone = |(n, zone): (usize, Zone)| {
            json!({
                "code": zone.code,
                "port": (8403 + n).to_string(),
                "name": format!("AZ{}", n + 1),
                "id": zone.id,
                "resource_availability": (!zone.sold_out).to_string(),
            })
        };
        let zones: Vec<_> = self.zones().enumerate().map(zone).collect();
        Reply::ok(json!({"region_id": self.options.region, "available_zones": zones}))
    }

    /// API reference 4.9.2. Times have no minutes here, unlike in an instance.
    pub(super) fn list_windows(&self) -> Reply {
        let hour = |time: &str| time.get(..2).unwrap_or_default().to_owned();
        let windows = validate::windows(&self.rules()).enumerate().map(|(n, (begin, end))| {
            // Sequence numbers restart after six, per part of the day.
            json!({"seq": n % 6 + 1, "default": n == 0, "begin": hour(&begin), "end": hour(&end)})
        });
        Reply::ok(json!({"maintain_windows": windows.collect::<Vec<_>>()}))
    }

    /// API reference 4.9.3.
    pub(super) fn show_quota(&self) -> Reply {
        let (instances, mib) = self.used_quota();
        let row = |kind: &str, unit: Option<&str>, quota: i64, used: i64| json!({"type": kind, "unit": unit, "min": 1, "max": quota, "quota": quota, "used": used});
        let ram = mib.div_euclid(1024) + i64::from(mib % 1024 > 0);
        Reply::ok(json!({"quotas": {"resources": [
            row("instance", None, self.options.quota_instances, instances),
            row("ram", Some("GB"), self.options.quota_ram_gb, ram),
        ]}}))
    }

    /// Rejects exceeding the instance or memory quota: `DCS.4035`, `DCS.4036`.
    pub(super) fn check_quota(&self, instances: i64, mib: i64) -> Result<()> {
        let (used_instances, used_mib) = self.used_quota();
        if instances > 0 && used_instances.saturating_add(instances) > self.options.quota_instances {
            return Err(ApiError::new("DCS.4035"));
        }
        if mib > 0 && used_mib.saturating_add(mib) > self.options.quota_ram_gb.saturating_mul(1024) {
            return Err(ApiError::new("DCS.4036"));
        }
        Ok(())
    }

    /// Number of instances and their MiB. Failed creations do not count.
    fn used_quota(&self) -> (i64, i64) {
        let counts = |instance: &&Instance| instance.status != InstanceStatus::CreateFailed;
        self.store.iter().filter(counts).fold((0, 0), |(instances, mib), instance| {
            (instances + 1, mib + i64::from(instance.shape.capacity.mib()))
        })
    }

    /// Rejects a name in use, if names must be unique: `DCS.4060`.
    pub(super) fn check_names_are_free<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
        except: Option<&str>,
    ) -> Result<()> {
        if !self.options.unique_names {
            return Ok(());
        }
        let taken = |name: &str| self.store.iter().any(|i| i.name == name && Some(i.id.as_str()) != except);
        if names.into_iter().any(taken) { Err(ApiError::new("DCS.4060")) } else { Ok(()) }
    }

    /// Id and name of the user that owns the instances.
    pub(super) fn user(&self) -> (String, String) {
        let id = ids::short(&[b"user", &self.options.seed.to_be_bytes()]);
        (id, "simulator".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{
        dcs::model::{AvailabilityZones, MaintenanceWindows, Quotas},
        simulator::{Options, Site, service::fixtures::Cloud},
    };

    #[test]
    fn zones_show_whether_they_are_sold_out() {
        let mut cloud = Cloud::default();
        let list = |cloud: &mut Cloud| -> Vec<Option<bool>> {
            let body = cloud.get("ListAvailableZones", &[], &[]).body;
            let zones: AvailabilityZones = serde_json::from_value(body).unwrap();
            zones.available_zones.into_iter().map(|zone| zone.resource_availability).collect()
        };
        assert_eq!(list(&mut cloud), [Some(true), Some(true), Some(true), Some(false)]);
        cloud.service.sell_out("sim-region-1a", true);
        cloud.service.sell_out("sim-region-1d", false);
        assert_eq!(list(&mut cloud), [Some(false), Some(true), Some(true), Some(true)]);
    }

    #[test]
    fn maintenance_windows_per_site() {
        for (site, count, first) in [(Site::Main, 24, ("18", "19")), (Site::Newer, 6, ("22", "02"))] {
            let mut cloud = Cloud::new(Options { site, ..Options::default() });
            let body = cloud.get("ListMaintenanceWindows", &[], &[]).body;
            let windows: MaintenanceWindows = serde_json::from_value(body).unwrap();
            let windows = windows.maintain_windows;
            assert_eq!(windows.len(), count, "{site}");
            let default = windows.iter().find(|window| window.default == Some(true)).unwrap();
            assert_eq!((default.begin.as_deref(), default.end.as_deref()), (Some(first.0), Some(first.1)));
        }
    }

    #[test]
    fn quota_counts_existing_instances() {
        let mut cloud = Cloud::new(Options { quota_instances: 3, quota_ram_gb: 5, ..Options::default() });
        cloud.create("redis.single.xu1.large.4", 4.0, json!({}));
        cloud.create("redis.single.xu1.tiny.512", 0.5, json!({}));
        let body = cloud.get("ShowQuotaOfTenant", &[], &[]).body;
        assert_eq!(body["quotas"]["resources"][0]["unit"], Value::Null);
        let quotas: Quotas = serde_json::from_value(body).unwrap();
        let used: Vec<_> = quotas.quotas.resources.iter().map(|r| (r.used, r.quota)).collect();
        assert_eq!(used, [(Some(2), Some(3)), (Some(5), Some(5))]);
        let mut code =
            |spec: &str, gib: f64| cloud.try_create(spec, gib, json!({})).body["error_code"].clone();
        assert_eq!(code("redis.single.xu1.large.1", 1.0), "DCS.4036");
        assert_eq!(code("redis.single.xu1.tiny.512", 0.5), Value::Null);
        assert_eq!(code("redis.single.xu1.tiny.128", 0.125), "DCS.4035");
    }
}
