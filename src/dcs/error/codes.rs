//! The service's error codes with meaning and class.
//!
//! Source: API reference 7.2 (`documented_codes.txt` beside this file lists its codes). The rows marked
//! "seen" at the end were observed elsewhere; that section does not have them.
//!
//! The `DCS.` code and its numeric twin share a row. A numeric code is listed only if it is documented.

use super::class::Class::{
    self, Ambiguous, Balance, Busy, Credentials, Forbidden, Invalid, NotFound, Quota, Throttled, Transient,
    Unsupported,
};

/// One error code of the service in all its spellings.
#[derive(Debug, Clone, Copy)]
pub struct Code {
    /// Documented HTTP status; for the rows marked "seen", the observed one.
    pub status: u16,
    /// Class for any operation; the operation may narrow it.
    pub class: Class,
    /// All spellings: the `DCS.` one first, then its numeric twin.
    pub names: &'static [&'static str],
    /// Meaning, in one sentence.
    pub meaning: &'static str,
}

/// Writes a [`Code`] as one row of [`CODES`].
const fn code(status: u16, class: Class, names: &'static [&'static str], meaning: &'static str) -> Code {
    Code { status, class, names, meaning }
}

/// The row of an error code in any spelling.
///
/// A numeric code without a row is read as its twin: `1114nnnnn` contains HTTP status and number of the `DCS.` code.
pub fn lookup(code: &str) -> Option<&'static Code> {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let find = |name: &str| CODES.iter().find(|row| row.names.iter().any(|n| n.eq_ignore_ascii_case(name)));
    find(&code).or_else(|| {
        let (family, number) = code.strip_prefix("111")?.split_at_checked(3)?;
        match family {
            "400" => find(&format!("DCS.4{number}")),
            "500" => find(&format!("DCS.5{number}")),
            _ => None,
        }
    })
}

/// All known codes. The documented ones come first, sorted by their first name; names are unique.
pub const CODES: &[Code] = &[
    // Credentials, permissions, absent instances.
    code(401, Credentials, &["DCS.1001", "111401001"], "The token is not a valid one."),
    code(401, Credentials, &["DCS.1002", "111401002"], "The token is past its lifetime."),
    code(401, Credentials, &["DCS.1003", "111401003"], "The request carried no token."),
    code(
        401,
        Credentials,
        &["DCS.1004", "111401004"],
        "The token belongs to another project than the one in the path.",
    ),
    code(403, Forbidden, &["DCS.2003"], "The role of these credentials may not do this."),
    code(403, Forbidden, &["DCS.2007"], "The policies of these credentials do not grant this action."),
    code(403, Forbidden, &["DCS.3002", "111403002"], "The tenant may only read, not change anything."),
    code(403, Forbidden, &["DCS.3003", "111403003"], "The role of these credentials may not do this."),
    code(404, NotFound, &["DCS.3022", "111404022"], "There is no such instance."),
    // 40xx: the request and its parameters.
    code(404, Unsupported, &["DCS.4001", "111404001"], "The service knows no such URL."),
    code(400, Invalid, &["DCS.4002", "111400002"], "The project ID is malformed."),
    code(400, Invalid, &["DCS.4004", "111400004"], "The request needs a body and had none."),
    code(
        400,
        Invalid,
        &["DCS.4005", "111400005"],
        "The body is not JSON, or has a field the service rejects.",
    ),
    code(400, Invalid, &["DCS.4006"], "There is no such cache engine."),
    code(400, Invalid, &["DCS.4007", "111400007"], "There is no such type of cache or instance."),
    code(400, Invalid, &["DCS.4008", "111400008"], "The engine is not offered in this version."),
    code(400, Invalid, &["DCS.4009", "111400009"], "The product ID (product_id) is not valid."),
    code(
        400,
        Invalid,
        &["DCS.4010", "111400010"],
        "The name must be 4 to 64 letters, digits, hyphens or underscores.",
    ),
    code(400, Invalid, &["DCS.4011", "111400011"], "The description may have at most 1024 characters."),
    code(400, Invalid, &["DCS.4012", "111400012"], "The capacity is not valid."),
    code(400, Invalid, &["DCS.4013", "111400013"], "The VPC (vpc_id) is missing or not valid."),
    code(
        400,
        Invalid,
        &["DCS.4014", "111400014"],
        "The security group (security_group_id) is missing or not valid.",
    ),
    code(400, Invalid, &["DCS.4016", "111400016"], "The subnet (subnet_id) is missing or not valid."),
    code(400, Busy, &["DCS.4017", "111400017"], "A background job of the instance has not finished yet."),
    code(400, Invalid, &["DCS.4018", "111400018"], "The subnet is not one of the VPC."),
    code(400, Invalid, &["DCS.4019", "111400019"], "The password is not complex enough."),
    code(
        400,
        Invalid,
        &["DCS.4020", "111400020"],
        "The subnet has DHCP switched off, and an instance needs it.",
    ),
    code(400, Invalid, &["DCS.4021", "111400021"], "Automatic renewal (isAutoRenew) must be 0 or 1."),
    code(400, Invalid, &["DCS.4022", "111400022"], "The product is for another cache engine."),
    code(404, Invalid, &["DCS.4023", "111404023"], "There is no such order."),
    code(400, Invalid, &["DCS.4025"], "The end of the time range lies before its start."),
    code(400, Busy, &["DCS.4026", "111400026"], "The instance's present state does not allow this."),
    code(400, Unsupported, &["DCS.4027", "111400027"], "This node does not offer this operation."),
    code(400, Invalid, &["DCS.4028"], "A diagnosis may cover at most 10 minutes."),
    code(400, Invalid, &["DCS.4030"], "The start time may lie at most seven days back."),
    code(
        400,
        Invalid,
        &["DCS.4031"],
        "Either the start time lies in the future, or the backup is already gone.",
    ),
    code(400, Invalid, &["DCS.4033"], "The start time lies before the instance was started."),
    code(400, Quota, &["DCS.4035", "111400035"], "The tenant may not have more instances."),
    code(400, Quota, &["DCS.4036", "111400036"], "The tenant may not have more memory."),
    code(
        400,
        Invalid,
        &["DCS.4037", "111400037"],
        "The instanceParams are not JSON, or have a field the service rejects.",
    ),
    code(
        400,
        Invalid,
        &["DCS.4038", "111400038"],
        "The number of periods to pay for (periodNum) must be an integer.",
    ),
    code(400, Quota, &["DCS.4039", "111400039"], "The request goes beyond what the quota allows."),
    code(400, Invalid, &["DCS.4042", "111400042"], "There is no such availability zone."),
    code(400, Invalid, &["DCS.4045", "111400045"], "The instance is not frozen, so it cannot be unfrozen."),
    code(400, Invalid, &["DCS.4046", "111400046"], "There is no such security group."),
    code(
        400,
        Invalid,
        &["DCS.4047", "111400047"],
        "The unit of the period to pay for (periodType) must be 2 or 3.",
    ),
    code(
        400,
        Invalid,
        &["DCS.4048", "111400048"],
        "The security group lacks a rule for any protocol, in or out; it needs both.",
    ),
    code(400, Busy, &["DCS.4049"], "This needs a running instance, and the instance is in another state."),
    code(
        400,
        Invalid,
        &["DCS.4053", "111400053"],
        "The version to upgrade to is the one the instance already has.",
    ),
    code(400, Quota, &["DCS.4054", "111400054"], "The availability zone is sold out."),
    code(400, Ambiguous, &["DCS.4060", "111400060"], "An instance already has this name."),
    code(400, Invalid, &["DCS.4061", "111400061"], "The instance ID is malformed."),
    code(400, Invalid, &["DCS.4062", "111400062"], "A query parameter is not valid; the message names it."),
    code(
        400,
        Invalid,
        &["DCS.4063", "111400063"],
        "A parameter of the request is not valid; the message names it.",
    ),
    code(400, Invalid, &["DCS.4064", "111400064"], "The action is none of start, stop and restart."),
    code(400, Invalid, &["DCS.4065", "111400065"], "The list of instances is missing or empty."),
    code(
        400,
        Invalid,
        &["DCS.4066", "111400066"],
        "A configuration parameter has a wrong value; the message names it.",
    ),
    code(
        400,
        Invalid,
        &["DCS.4067", "111400067"],
        "The available_zones must be a list of exactly one zone ID.",
    ),
    code(400, Invalid, &["DCS.4068", "111400068"], "There is no such VPC."),
    code(
        500,
        Busy,
        &["DCS.4069", "111400069"],
        "Someone else is changing the instance's configuration at the moment.",
    ),
    code(400, Invalid, &["DCS.4070", "111400070"], "The task ID is malformed."),
    code(400, Invalid, &["DCS.4072", "111400072"], "Backups are kept 1 to 7 days (saveDays)."),
    code(
        400,
        Invalid,
        &["DCS.4073", "111400073"],
        "The kind of backup policy (backupType) must be auto or manual.",
    ),
    code(
        400,
        Invalid,
        &["DCS.4074", "111400074"],
        "The period of the backup policy (periodType) can only be weekly.",
    ),
    code(
        400,
        Invalid,
        &["DCS.4075", "111400075"],
        "The days of the backup policy (backupAt) are missing or not valid.",
    ),
    code(
        400,
        Invalid,
        &["DCS.4076", "111400076"],
        "The hours of the backup policy (beginAt) must look like 00:00-00:00.",
    ),
    code(400, Invalid, &["DCS.4080", "111400080"], "The instance's present password was given wrong."),
    code(400, Unsupported, &["DCS.4086", "111400086"], "Only master/standby instances offer this."),
    code(
        400,
        Invalid,
        &["DCS.4087", "111400087"],
        "Only a backup that succeeded can be restored, and this one has not.",
    ),
    code(400, Unsupported, &["DCS.4094", "111400094"], "This site offers no background jobs."),
    code(400, Unsupported, &["DCS.4095", "111400095"], "This site offers neither backup nor restore."),
    code(400, Busy, &["DCS.4096", "111400096"], "A backup of the instance is being taken."),
    code(400, Busy, &["DCS.4097", "111400097"], "A backup is being restored to the instance."),
    code(400, Invalid, &["DCS.4098", "111400098"], "The remark may have at most 128 characters."),
    code(
        400,
        Busy,
        &["DCS.4099", "111400099"],
        "The instance cannot be deleted while it is created, started, stopped or restarted.",
    ),
    // 41xx to 43xx: states and abilities of the instance.
    code(400, Invalid, &["DCS.4100", "111400100"], "One request may name at most 50 instances."),
    code(500, Transient, &["DCS.4101", "111400101"], "The files of the backup could not be deleted."),
    code(400, Unsupported, &["DCS.4102", "111400102"], "This site offers no resizing."),
    code(400, Invalid, &["DCS.4103", "111400103"], "The new capacity must be larger than the present one."),
    code(400, Busy, &["DCS.4104", "111400104"], "The service is repairing a fault inside the instance."),
    code(
        400,
        Invalid,
        &["DCS.4105", "111400105"],
        "More memory would be reserved (reserved-memory) than the instance has free.",
    ),
    code(400, Invalid, &["DCS.4106", "111400106"], "The maintenance window is not valid."),
    code(
        400,
        Balance,
        &["DCS.4107", "111400107"],
        "An earlier order to enlarge the instance waits to be paid.",
    ),
    code(
        400,
        Busy,
        &["DCS.4108", "111400108"],
        "An earlier order to enlarge the instance is being carried out.",
    ),
    code(400, Busy, &["DCS.4111", "111400111"], "A restart of the instance is under way."),
    code(400, Busy, &["DCS.4113", "111400113"], "A resize of the instance is under way."),
    code(400, Busy, &["DCS.4114", "111400114"], "A configuration change of the instance is under way."),
    code(400, Busy, &["DCS.4115", "111400115"], "A password change of the instance is under way."),
    code(400, Busy, &["DCS.4116", "111400116"], "An upgrade of the instance is under way."),
    code(400, Busy, &["DCS.4117", "111400117"], "The instance is being taken back to its earlier version."),
    code(400, Busy, &["DCS.4118", "111400118"], "The instance is still being created."),
    code(
        400,
        Invalid,
        &["DCS.4119", "111400119"],
        "The instance's bill could not be looked up; the instance may not exist.",
    ),
    code(400, Busy, &["DCS.4120", "111400120"], "The instance is being frozen."),
    code(400, Invalid, &["DCS.4200"], "This instance cannot become one of another type."),
    code(400, Invalid, &["DCS.4202"], "The parameters of the SSL request are not valid."),
    code(400, Invalid, &["DCS.4253"], "No replica may take over, because all have priority 0."),
    code(400, Busy, &["DCS.4300"], "Client IP pass-through is already being switched on or off."),
    // 48xx: parameters and features.
    code(
        400,
        Invalid,
        &["DCS.4800", "111400800"],
        "Something in the request is not valid; the message names it.",
    ),
    code(
        400,
        Invalid,
        &["DCS.4819"],
        "The first scan (first_scan_at) must be a future UTC time in ISO format.",
    ),
    code(400, Invalid, &["DCS.4820"], "The interval between scans must not be negative."),
    code(
        400,
        Invalid,
        &["DCS.4821"],
        "The timeout must be at least twice the interval, and above 1 second if that is 0.",
    ),
    code(400, Invalid, &["DCS.4822"], "The keys per scan (scan_keys_count) must be 10 to 1000."),
    code(400, Unsupported, &["DCS.4838"], "This site does not offer client IP pass-through."),
    code(400, Unsupported, &["DCS.4839"], "This site does not offer public domain names."),
    code(400, Unsupported, &["DCS.4840"], "This site does not offer domain names."),
    code(400, Unsupported, &["DCS.4841"], "The instance's version is too old for client IP pass-through."),
    code(500, Transient, &["DCS.4842", "111400842"], "A background job failed."),
    code(
        400,
        Invalid,
        &["DCS.4843", "111400843"],
        "Password-free access (no_password_access) is missing or not valid.",
    ),
    code(400, Invalid, &["DCS.4844", "111400844"], "The user name (access_user) is missing or not valid."),
    code(400, Invalid, &["DCS.4845", "111400845"], "The password is missing or not valid."),
    code(400, Invalid, &["DCS.4846"], "Client IP pass-through is off already."),
    code(400, Invalid, &["DCS.4847"], "Client IP pass-through is on already."),
    code(400, Unsupported, &["DCS.4848"], "Client sessions cannot be managed here."),
    code(
        400,
        Invalid,
        &["DCS.4849", "111400849"],
        "A new password (new_password) has no place in this request.",
    ),
    code(
        400,
        Invalid,
        &["DCS.4850", "111400850"],
        "The instance is open without a password; reset the password instead.",
    ),
    code(
        400,
        Invalid,
        &["DCS.4855"],
        "Either the instance cannot swap its master, or the migration task ID is not valid.",
    ),
    code(400, Invalid, &["DCS.4875"], "The instance cannot have that many replicas."),
    code(
        400,
        Invalid,
        &["DCS.4879"],
        "The only replica of a read/write-splitting instance must stay in its domain name.",
    ),
    // 49xx: network, nodes, cache analyses and domain names.
    code(400, Quota, &["DCS.4911"], "The subnet has too few free addresses."),
    code(400, Busy, &["DCS.4918"], "A big-key analysis of the instance is under way."),
    code(400, Unsupported, &["DCS.4919"], "The instance offers no big-key analysis."),
    code(400, Invalid, &["DCS.4927"], "The flavor (spec_code) is not valid."),
    code(400, Invalid, &["DCS.4930"], "The list of nodes (node_list) is not valid."),
    code(400, Invalid, &["DCS.4931"], "Only replicas can be deleted, and this node is none."),
    code(400, Invalid, &["DCS.4933"], "The availability zones (available_zones) are not valid."),
    code(400, Invalid, &["DCS.4935"], "The only replica in the instance's domain name must stay."),
    code(400, Invalid, &["DCS.4936"], "A master node must stay."),
    code(400, Invalid, &["DCS.4937"], "The only standby node must stay."),
    code(400, Invalid, &["DCS.4939"], "The priority of the replica (slave_priority_weight) is not valid."),
    code(400, Invalid, &["DCS.4941"], "There is no such hot-key analysis."),
    code(400, Invalid, &["DCS.4942"], "There is no such big-key analysis."),
    code(400, Invalid, &["DCS.4957"], "Only a cache analysis that succeeded allows this."),
    code(400, Invalid, &["DCS.4998"], "The domain names need no renewal."),
    code(400, Unsupported, &["DCS.4999"], "This site does not offer the renewal of domain names."),
    // 5xxx: failures inside the service, mostly without a specific meaning.
    code(500, Transient, &["DCS.5000", "111500000"], "Something failed inside the service."),
    code(405, Unsupported, &["DCS.5001", "111405001"], "The URL does not take this HTTP method."),
    code(500, Transient, &["DCS.5006", "111500006"], "The service could not submit the background job."),
    code(500, Transient, &["DCS.5017", "111500017"], "The service could not store the instance's data."),
    code(
        500,
        Transient,
        &["DCS.5020", "111500020"],
        "The service could not add a port to a virtual machine.",
    ),
    code(500, Transient, &["DCS.5024", "111500024"], "The service could not look up the instance."),
    code(500, Transient, &["DCS.5031", "111500031"], "The service could not create the instance."),
    code(500, Transient, &["DCS.5032", "111500032"], "The service could not place the order."),
    code(500, Transient, &["DCS.5037", "111500037"], "The service could not look up the order."),
    code(500, Transient, &["DCS.5039"], "The service could not reach IAM."),
    code(500, Transient, &["DCS.5040"], "The service could not ask IAM for the agency."),
    code(500, Transient, &["DCS.5041", "111500041"], "The service has no resource tenant to spare."),
    code(500, Transient, &["DCS.5042"], "The service could not have IAM create the agency."),
    code(500, Transient, &["DCS.5043"], "The service could not ask IAM for the permissions."),
    code(
        500,
        Transient,
        &["DCS.5044", "111500044"],
        "The service could not record the new state of the resource.",
    ),
    code(
        500,
        Transient,
        &["DCS.5045"],
        "The service could not have IAM grant the agency its rights in the project.",
    ),
    code(400, Unsupported, &["DCS.5050"], "An instance cannot be created in a shared VPC."),
    code(500, Transient, &["DCS.5053", "111500053"], "The service could not find a node of the instance."),
    code(500, Transient, &["DCS.5054", "111500054"], "The service could not generate a password."),
    code(500, Transient, &["DCS.5070", "111500070"], "Something failed inside the service."),
    code(500, Transient, &["DCS.5071", "111500071"], "The service could not create the backup policy."),
    code(500, Transient, &["DCS.5077", "111500077"], "The service could not look up the backup policy."),
    code(500, Transient, &["DCS.5078", "111500078"], "The service could not look up the backups."),
    code(500, Transient, &["DCS.5079", "111500079"], "The service could not look up the nodes."),
    code(500, Transient, &["DCS.5081"], "The service's own resource tenant is missing."),
    code(
        500,
        Transient,
        &["DCS.5082", "111500082"],
        "The service could not register a backup user for its resource tenant.",
    ),
    code(500, Transient, &["DCS.5083", "111500083"], "The service could not store the backup user."),
    code(500, Transient, &["DCS.5085", "111500085"], "The service could not change the backup policy."),
    code(500, Transient, &["DCS.5090", "111500090"], "The service could not store the record of the backup."),
    code(500, Transient, &["DCS.5091", "111500091"], "A script of the service failed."),
    code(
        500,
        Transient,
        &["DCS.5092", "111500092"],
        "The service could not store the record of the restore.",
    ),
    code(500, Transient, &["DCS.5094"], "The master and its standby could not be swapped."),
    code(500, Transient, &["DCS.5095", "111500095"], "A script of the service failed and has to run again."),
    code(404, Transient, &["DCS.5101"], "The agency the service acts through could not be created."),
    code(500, Transient, &["DCS.5104", "111500104"], "The service could not change the order."),
    // Seen, not in the reference's table: codes of the service.
    code(400, Busy, &["DCS.4121"], "The password is being reset."),
    code(400, Invalid, &["DCS.4133"], "There is no such migration task."),
    code(400, Unsupported, &["DCS.4201"], "The instance offers no SSL."),
    code(400, Busy, &["DCS.4231"], "An offline key analysis is running."),
    code(400, Invalid, &["DCS.4232"], "There is no such key analysis."),
    code(400, Invalid, &["DCS.4239"], "The instance is not being resized, so there is nothing to cancel."),
    code(400, Unsupported, &["DCS.4872"], "The instance offers no IP allow-list."),
    code(400, Busy, &["DCS.4975"], "The instance is being created or restarted."),
    code(400, Invalid, &["DCS.4988"], "There is no such parameter template."),
    // Seen, not in the reference's table: codes of the billing service.
    code(
        400,
        Busy,
        &["CBC.99003651"],
        "The billing service is still working on another order for the instance.",
    ),
    // Seen, not in the reference's table: codes of the API gateway, which has two prefixes for them.
    code(404, Unsupported, &["APIGW.0101", "APIG.0101"], "The gateway knows no such API."),
    code(401, Credentials, &["APIGW.0301", "APIG.0301"], "The gateway could not verify the credentials."),
    code(403, Forbidden, &["APIGW.0302", "APIG.0302"], "These credentials may not call this API."),
    code(401, Credentials, &["APIGW.0307", "APIG.0307"], "The token has expired."),
    code(429, Throttled, &["APIGW.0308", "APIG.0308"], "Too many requests came in too short a time."),
];
