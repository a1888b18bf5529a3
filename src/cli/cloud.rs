//! `dcs-operator cloud`: read-only view of an account through the operator's own client.

use std::io::{self, Write};

use clap::{Args, Subcommand};

use super::{
    Failure,
    account::{AccountArgs, client},
    output::{self, Format, joined, or_dash},
};
use crate::dcs::{
    Cloud,
    error::{self, codes},
    list_all,
    model::{
        AvailabilityZone, CacheMode, Capacity, CpuType, Flavor, FlavorQuery, InstanceDetail, InstanceQuery,
        InstanceSummary, QuotaResource, time,
    },
};

/// Show an account without changing it.
#[derive(Debug, Args)]
pub(crate) struct CloudArgs {
    #[command(flatten)]
    account: AccountArgs,
    /// Output format.
    #[arg(short, long, value_enum, default_value = "table", global = true)]
    output: Format,
    #[command(subcommand)]
    query: Query,
}

#[derive(Debug, Subcommand)]
enum Query {
    #[command(flatten)]
    AccountConfig(AccountQuery),
    /// List the error codes of the service and their class in the operator. Needs no account.
    Errors {
        /// Show only this code, such as DCS.4113 or 111400113.
        code: Option<String>,
    },
}

/// Queries of an account.
#[derive(Debug, Subcommand)]
enum AccountQuery {
    /// List instances.
    List {
        /// List only instances whose name contains this text.
        #[arg(long)]
        name: Option<String>,
        /// List only instances in this status, such as RUNNING or CREATEFAILED.
        #[arg(long)]
        status: Option<String>,
    },
    /// Show one instance.
    Show {
        /// ID of the instance.
        id: String,
    },
    /// List flavors: the offered combinations of version, mode, CPU type and capacity.
    Flavors {
        /// List only flavors of this Redis version, such as 6.0.
        #[arg(long)]
        engine_version: Option<String>,
        /// List only flavors of this cache mode: single, ha, ha_rw_split, proxy, cluster.
        #[arg(long)]
        cache_mode: Option<String>,
        /// List only flavors of this CPU type: x86_64, aarch64.
        #[arg(long)]
        cpu_type: Option<String>,
        /// List only flavors of this capacity in GB, such as 0.5 or 4.
        #[arg(long)]
        capacity: Option<f64>,
        /// List only this flavor.
        #[arg(long)]
        spec_code: Option<String>,
    },
    /// Show limit and use of each quota.
    Quota,
    /// List the availability zones of the region.
    Zones,
}

/// Runs the query and writes its result to standard output.
///
/// # Errors
/// [`Failure`], which maps to an exit code.
pub(crate) async fn run(args: CloudArgs) -> Result<(), Failure> {
    let CloudArgs { account, output, query } = args;
    // Written at once, so that an error leaves no partial result on standard output.
    let mut result = Vec::new();
    match query {
        Query::Errors { code } => errors(&mut result, output, code.as_deref())?,
        Query::AccountConfig(query) => {
            let client = client(account.resolve()?)?;
            answer(&mut result, output, &client, query).await?;
        }
    }
    io::stdout().lock().write_all(&result)?;
    Ok(())
}

async fn answer(
    out: &mut impl Write,
    format: Format,
    cloud: &impl Cloud,
    query: AccountQuery,
) -> Result<(), Failure> {
    match query {
        AccountQuery::List { name, status } => {
            let status = status.as_deref().map(Into::into);
            let listing = list_all(cloud, InstanceQuery { name, status, ..InstanceQuery::default() }).await?;
            if !listing.complete {
                eprintln!(
                    "warning: instances were created or deleted during the listing; the list may be incomplete"
                );
            }
            list(out, format, &listing.instances)?;
        }
        AccountQuery::Show { id } => show(out, format, &cloud.show_instance(&id).await?)?,
        AccountQuery::Flavors { engine_version, cache_mode, cpu_type, capacity, spec_code } => {
            let capacity = capacity.map(parse_capacity).transpose()?;
            let query = FlavorQuery {
                spec_code,
                cache_mode: cache_mode.as_deref().map(CacheMode::from),
                engine_version,
                cpu_type: cpu_type.as_deref().map(CpuType::from),
                capacity,
                instance_id: None,
            };
            flavors(out, format, &cloud.list_flavors(&query).await?, capacity)?;
        }
        AccountQuery::Quota => quota(out, format, &cloud.show_quota().await?)?,
        AccountQuery::Zones => zones(out, format, &cloud.list_availability_zones().await?.available_zones)?,
    }
    Ok(())
}

fn parse_capacity(gib: f64) -> Result<Capacity, Failure> {
    Capacity::from_gib(gib).ok_or_else(|| {
        Failure::Usage(format!("{gib} is no valid capacity: write GB, such as 0.125, 0.5 or 4"))
    })
}

fn list(out: &mut impl Write, format: Format, instances: &[InstanceSummary]) -> io::Result<()> {
    if format == Format::Json {
        return output::json(out, &instances);
    }
    let rows: Vec<_> = instances
        .iter()
        .map(|instance| {
            vec![
                or_dash(instance.name.as_deref()),
                instance.instance_id.clone(),
                or_dash(instance.status.as_ref()),
                or_dash(instance.engine_version.as_deref()),
                or_dash(instance.capacity()),
                or_dash(instance.spec_code.as_deref()),
                address(instance.ip.as_deref(), instance.port),
                or_dash(instance.created_at.map(time::format)),
            ]
        })
        .collect();
    output::table(
        out,
        &["NAME", "ID", "STATUS", "VERSION", "CAPACITY", "FLAVOR", "ADDRESS", "CREATED"],
        &rows,
    )
}

fn address(ip: Option<&str>, port: Option<i64>) -> String {
    match (ip, port) {
        (Some(ip), Some(port)) => format!("{ip}:{port}"),
        (ip, _) => or_dash(ip),
    }
}

fn show(out: &mut impl Write, format: Format, detail: &InstanceDetail) -> io::Result<()> {
    if format == Format::Json {
        return output::json(out, detail);
    }
    let tags =
        detail.tags.iter().map(|tag| format!("{}={}", tag.key, tag.value.as_deref().unwrap_or_default()));
    let window = detail.maintain_begin.as_deref().zip(detail.maintain_end.as_deref());
    let fields = [
        ("Id", detail.instance_id.clone()),
        ("Name", or_dash(detail.name.as_deref())),
        ("Description", or_dash(detail.description.as_deref())),
        ("Status", or_dash(detail.status.as_ref())),
        ("Busy with", or_dash(detail.task.as_ref().map(|task| &task.0))),
        ("Version", or_dash(detail.engine_version.as_deref())),
        ("Mode", or_dash(detail.cache_mode.as_ref())),
        ("Flavor", or_dash(detail.spec_code.as_deref())),
        ("Capacity", or_dash(detail.capacity())),
        ("Memory used", or_dash(detail.used_memory.map(|mb| format!("{mb} MB")))),
        ("Replicas", or_dash(detail.replica_count)),
        ("Shards", or_dash(detail.sharding_count)),
        ("Zones", joined(&detail.az_codes)),
        ("Address", address(detail.ip.as_deref(), detail.port)),
        ("Domain name", or_dash(detail.domain_name.as_deref())),
        ("Read-only name", or_dash(detail.readonly_domain_name.as_deref())),
        ("Password needed", or_dash(detail.no_password_access.map(|open| !open))),
        ("VPC", or_dash(detail.vpc_id.as_deref())),
        ("Subnet", or_dash(detail.subnet_id.as_deref())),
        ("Security group", or_dash(detail.security_group())),
        ("Maintenance", or_dash(window.map(|(begin, end)| format!("{begin}–{end} UTC")))),
        ("Tags", joined(tags)),
        ("Created", or_dash(detail.created_at.map(time::format))),
    ];
    let rows: Vec<_> = fields.map(|(name, value)| vec![format!("{name}:"), value]).into();
    output::aligned(out, &rows)
}

fn flavors(
    out: &mut impl Write,
    format: Format,
    flavors: &[Flavor],
    capacity: Option<Capacity>,
) -> io::Result<()> {
    if format == Format::Json {
        return output::json(out, &flavors);
    }
    let mut rows = Vec::new();
    for flavor in flavors {
        for &offered in flavor.capacity.iter().filter(|&&offered| capacity.is_none_or(|only| only == offered))
        {
            rows.push(vec![
                flavor.spec_code.clone(),
                or_dash(flavor.cache_mode.as_ref()),
                or_dash(flavor.cpu_type.as_ref()),
                joined(flavor.engine_versions()),
                offered.to_string(),
                or_dash(flavor.replica_count),
                or_dash(flavor.attribute(offered, "sharding_num")),
                or_dash(flavor.attribute(offered, "max_connections")),
                joined(flavor.zones(offered)),
            ]);
        }
    }
    let header =
        ["FLAVOR", "MODE", "CPU", "VERSIONS", "CAPACITY", "REPLICAS", "SHARDS", "CONNECTIONS", "ZONES"];
    output::table(out, &header, &rows)
}

fn quota(out: &mut impl Write, format: Format, resources: &[QuotaResource]) -> io::Result<()> {
    if format == Format::Json {
        return output::json(out, &resources);
    }
    let rows: Vec<_> = resources
        .iter()
        .map(|resource| {
            vec![
                or_dash(resource.kind.as_deref()),
                or_dash(resource.used),
                or_dash(resource.quota),
                or_dash(resource.unit.as_deref()),
            ]
        })
        .collect();
    output::table(out, &["RESOURCE", "USED", "LIMIT", "UNIT"], &rows)
}

fn zones(out: &mut impl Write, format: Format, zones: &[AvailabilityZone]) -> io::Result<()> {
    if format == Format::Json {
        return output::json(out, &zones);
    }
    let rows: Vec<_> = zones
        .iter()
        .map(|zone| {
            vec![
                zone.code.clone(),
                or_dash(zone.name.as_deref()),
                or_dash(zone.id.as_deref()),
                or_dash(zone.resource_availability),
            ]
        })
        .collect();
    output::table(out, &["CODE", "NAME", "ID", "AVAILABLE"], &rows)
}

fn errors(out: &mut impl Write, format: Format, code: Option<&str>) -> Result<(), Failure> {
    let rows: Vec<&codes::Code> = match code {
        None => codes::CODES.iter().collect(),
        Some(code) => vec![error::lookup(code).ok_or_else(|| {
            Failure::Usage(format!(
                "{code} is not documented: the operator classifies such an error by its HTTP status"
            ))
        })?],
    };
    if format == Format::Json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                serde_json::json!({
                    "codes": row.names, "status": row.status, "class": row.class.as_str(), "meaning": row.meaning,
                })
            })
            .collect();
        return Ok(output::json(out, &rows)?);
    }
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            vec![joined(row.names), row.status.to_string(), row.class.to_string(), row.meaning.to_owned()]
        })
        .collect();
    Ok(output::table(out, &["CODE", "STATUS", "CLASS", "MEANING"], &rows)?)
}
