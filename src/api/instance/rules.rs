//! The validation rules of a DcsInstance. `tests/it/crds_rules.rs` violates each rule on a real API server.
//!
//! A rule about an immutable field is a rule of the object. A rule of an optional field would not run when the field is
//! removed, nor when it is set again. Such a rule applies only after the instance exists, so that users can correct an
//! object whose creation was refused. The value in `status.resolved` is always valid, so that users can correct a wrong
//! value.

use crate::api::rules::Rule;

/// `engineVersion`.
pub const ENGINE_VERSION: &[Rule] = &[Rule {
    at: "",
    holds: "self.matches('^[0-9]{1,2}[.][0-9]{1,2}$')",
    message: "write the version of Redis with one dot and in quotes, such as \"6.0\"",
}];

/// `capacity`.
pub const CAPACITY: &[Rule] = &[
    Rule { at: "", holds: "isQuantity(self)", message: "write an amount of memory, such as 512Mi or 4Gi" },
    Rule {
        at: "",
        holds: "!isQuantity(self) || ['128Mi', '256Mi', '512Mi'].exists(c, \
                quantity(c).compareTo(quantity(self)) == 0) || (quantity(self).isInteger() && \
                quantity(self).asInteger() % 1073741824 == 0 && \
                quantity(self).compareTo(quantity('1Gi')) >= 0 && \
                quantity(self).compareTo(quantity('1024Gi')) <= 0)",
        message: "write 128Mi, 256Mi, 512Mi, or whole Gi from 1Gi to 1024Gi, such as 4Gi (4G is less than 4Gi)",
    },
];

/// `name`.
pub const CLOUD_NAME: &[Rule] = &[Rule {
    at: "",
    holds: "self.matches('^[A-Za-z][A-Za-z0-9_-]{3,63}$')",
    message: "write 4 to 64 letters, digits, '-' and '_', the first a letter, such as shop-sessions",
}];

/// `specCode`.
pub const SPEC_CODE: &[Rule] = &[Rule {
    at: "",
    holds: "self.matches('^[a-z0-9]+([._-][a-z0-9]+)+$')",
    message: "write the code of a flavor, such as redis.ha.xu1.large.r2.4: `dcs-operator cloud flavors` lists them",
}];

/// `enterpriseProjectId`.
pub const ENTERPRISE_PROJECT: &[Rule] = &[Rule {
    at: "",
    holds: "self == '0' || self.matches('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')",
    message: "write the ID of the enterprise project, 36 characters in lower case, or \"0\" for the default one",
}];

/// `tags`.
pub const TAGS: &[Rule] = &[
    Rule {
        at: "",
        holds: "self.all(key, size(key) >= 1 && size(key) <= 36)",
        message: "a tag's key has 1 to 36 characters: write one of that length",
    },
    Rule {
        at: "",
        holds: r"self.all(key, key == '' || key.matches('^[\\p{L}\\p{N}_.:=+@-]([\\p{L}\\p{N} _.:=+@-]*[\\p{L}\\p{N}_.:=+@-])?$'))",
        message: "a tag's key is made of letters, digits, spaces and _ . : = + - @, with no space at its ends: \
                  write one without other characters",
    },
    Rule {
        at: "",
        holds: r"self.all(key, self[key].matches('^[\\p{L}\\p{N} _.:/=+@-]*$'))",
        message: "a tag's value is made of letters, digits, spaces and _ . : / = + - @: write one without other \
                  characters",
    },
    Rule {
        at: "",
        holds: "self.all(key, !key.startsWith('dcs-operator-') && !key.startsWith('_sys_'))",
        message: "tags whose keys begin with dcs-operator- or _sys_ belong to the operator and to the cloud: write \
                  another key",
    },
];

/// The spec as a whole.
pub const SPEC: &[Rule] = &[
    Rule {
        at: ".engineVersion",
        holds: "has(self.adopt) || has(self.engineVersion)",
        message: "a new instance needs engineVersion: write one, such as \"6.0\" (or set adopt.instanceId to take \
                  over an existing instance)",
    },
    Rule {
        at: ".capacity",
        holds: "has(self.adopt) || has(self.capacity) || has(self.specCode)",
        message: "a new instance needs capacity: write one, such as 4Gi, or name a flavor by specCode (or set \
                  adopt.instanceId to take over an existing instance)",
    },
    Rule {
        at: ".specCode",
        holds: "!has(self.specCode) || \
                !(has(self.cacheMode) || has(self.cpuType) || has(self.replicas) || has(self.shards))",
        message: "specCode already sets cacheMode, cpuType, replicas and shards: remove those, or remove specCode \
                  and let them select the flavor",
    },
    Rule {
        at: ".replicas",
        holds: "!has(self.replicas) || self.replicas == 1 || !has(self.cacheMode) || self.cacheMode != 'single'",
        message: "cacheMode single has one copy: remove replicas, or choose cacheMode ha",
    },
    Rule {
        at: ".replicas",
        holds: "!has(self.replicas) || self.replicas >= 2 || \
                (has(self.cacheMode) ? !(self.cacheMode in ['ha', 'ha_rw_split']) : has(self.adopt))",
        message: "cacheMode ha (the default) and ha_rw_split have 2 copies or more, the master included: write 2 or more, or choose cacheMode single",
    },
    Rule {
        at: ".shards",
        holds: "!has(self.shards) || \
                (has(self.cacheMode) ? self.cacheMode in ['proxy', 'cluster'] : has(self.adopt))",
        message: "only cacheMode proxy and cluster have shards: choose one of them, or remove shards",
    },
    Rule {
        at: ".cacheMode",
        holds: "!has(self.cacheMode) || !has(self.engineVersion) || !self.engineVersion.startsWith('3.') || \
                self.cacheMode in ['single', 'ha', 'proxy']",
        message: "Redis 3.0 is offered as single, ha and proxy: choose one of them, or engineVersion \"4.0\" or later",
    },
    Rule {
        at: ".availabilityZones",
        holds: "!has(self.availabilityZones) || size(self.availabilityZones) == 1 || !has(self.cacheMode) || \
                self.cacheMode != 'single'",
        message: "cacheMode single is one node: write one zone, or choose cacheMode ha",
    },
    Rule {
        at: ".port",
        holds: "!has(self.port) || !has(self.engineVersion) || !self.engineVersion.startsWith('3.')",
        message: "Redis 3.0 always listens on 6379: remove port, or choose engineVersion \"4.0\" or later",
    },
    Rule {
        at: ".network.securityGroupId",
        holds: "!has(self.network) || !has(self.network.securityGroupId) || !has(self.engineVersion) || \
                self.engineVersion.startsWith('3.')",
        message: "only Redis 3.0 has a security group: remove network.securityGroupId",
    },
    Rule {
        at: ".network",
        holds: "has(self.adopt) || !has(self.engineVersion) || !self.engineVersion.startsWith('3.') || \
                (has(self.network) && has(self.network.securityGroupId))",
        message: "Redis 3.0 needs a security group: set network.securityGroupId, or choose engineVersion \"4.0\" or \
                  later",
    },
    Rule {
        at: ".managementPolicy",
        holds: "!has(self.managementPolicy) || self.managementPolicy != 'Observe' || has(self.adopt)",
        message: "managementPolicy Observe needs an existing instance: set adopt.instanceId",
    },
    Rule {
        at: ".onExternalDeletion",
        holds: "!has(self.onExternalDeletion) || self.onExternalDeletion != 'Recreate' || \
                !has(self.managementPolicy) || self.managementPolicy != 'Observe'",
        message: "managementPolicy Observe never creates an instance: write Report, or choose managementPolicy \
                  Managed",
    },
    Rule {
        at: ".onExternalDeletion",
        holds: "!has(self.onExternalDeletion) || self.onExternalDeletion != 'Recreate' || \
                (has(self.engineVersion) && (has(self.capacity) || has(self.specCode)))",
        message: "Recreate creates a new instance from this spec: set engineVersion, and capacity or specCode, or \
                  write Report",
    },
];

/// The immutable fields, and the length of the object's name.
pub const OBJECT: &[Rule] = &[
    Rule {
        at: "",
        holds: "size(self.metadata.name) <= 63",
        message: "metadata.name is part of other names: write 63 characters or fewer",
    },
    Rule {
        at: ".spec.auth.secretRef",
        holds: "!has(self.spec) || !has(self.spec.auth) || !has(self.spec.auth.secretRef) || \
                !(self.spec.auth.secretRef.name in [self.metadata.name + '-auth', self.metadata.name + '-redis'])",
        message: "the operator writes this Secret itself: put your password into a Secret of another name",
    },
    Rule {
        at: ".spec.engineVersion",
        holds: "!has(oldSelf.status) || !has(oldSelf.status.id) || \
                (has(self.spec.engineVersion) ? \
                (has(oldSelf.spec.engineVersion) && self.spec.engineVersion == oldSelf.spec.engineVersion) || \
                (has(oldSelf.status.resolved) && has(oldSelf.status.resolved.engineVersion) && \
                self.spec.engineVersion == oldSelf.status.resolved.engineVersion) \
                : !has(oldSelf.spec.engineVersion))",
        message: "the version of an existing instance cannot change: write the one in status.resolved. To move to \
                  another version, create a second DcsInstance and copy the data",
    },
    Rule {
        at: ".spec.network.vpcId",
        holds: "!has(oldSelf.status) || !has(oldSelf.status.id) || \
                (has(self.spec.network) && has(self.spec.network.vpcId) ? \
                (has(oldSelf.spec.network) && has(oldSelf.spec.network.vpcId) && \
                self.spec.network.vpcId == oldSelf.spec.network.vpcId) || \
                (has(oldSelf.status.resolved) && has(oldSelf.status.resolved.vpcId) && \
                self.spec.network.vpcId == oldSelf.status.resolved.vpcId) \
                : !(has(oldSelf.spec.network) && has(oldSelf.spec.network.vpcId)))",
        message: "an existing instance stays in its VPC: write the one in status.resolved. To move, create a second \
                  DcsInstance and copy the data",
    },
    Rule {
        at: ".spec.network.subnetId",
        holds: "!has(oldSelf.status) || !has(oldSelf.status.id) || \
                (has(self.spec.network) && has(self.spec.network.subnetId) ? \
                (has(oldSelf.spec.network) && has(oldSelf.spec.network.subnetId) && \
                self.spec.network.subnetId == oldSelf.spec.network.subnetId) || \
                (has(oldSelf.status.resolved) && has(oldSelf.status.resolved.subnetId) && \
                self.spec.network.subnetId == oldSelf.status.resolved.subnetId) \
                : !(has(oldSelf.spec.network) && has(oldSelf.spec.network.subnetId)))",
        message: "an existing instance stays in its subnet: write the one in status.resolved. To move, create a second \
                  DcsInstance and copy the data",
    },
    Rule {
        at: ".spec.network.privateIp",
        holds: "!has(oldSelf.status) || !has(oldSelf.status.id) || \
                (has(self.spec.network) && has(self.spec.network.privateIp) ? \
                (has(oldSelf.spec.network) && has(oldSelf.spec.network.privateIp) && \
                self.spec.network.privateIp == oldSelf.spec.network.privateIp) || \
                (has(oldSelf.status.resolved) && has(oldSelf.status.resolved.privateIp) && \
                self.spec.network.privateIp == oldSelf.status.resolved.privateIp) \
                : !(has(oldSelf.spec.network) && has(oldSelf.spec.network.privateIp)))",
        message: "an existing instance keeps its address: write the one in status.resolved",
    },
    Rule {
        at: ".spec.enterpriseProjectId",
        holds: "!has(oldSelf.status) || !has(oldSelf.status.id) || \
                (has(self.spec.enterpriseProjectId) ? \
                (has(oldSelf.spec.enterpriseProjectId) && \
                self.spec.enterpriseProjectId == oldSelf.spec.enterpriseProjectId) || \
                (has(oldSelf.status.resolved) && has(oldSelf.status.resolved.enterpriseProjectId) && \
                self.spec.enterpriseProjectId == oldSelf.status.resolved.enterpriseProjectId) \
                : !has(oldSelf.spec.enterpriseProjectId))",
        message: "an existing instance stays in its enterprise project: write the one in status.resolved",
    },
    Rule {
        at: ".spec.adopt",
        holds: "!has(self.spec.adopt) || !has(oldSelf.status) || !has(oldSelf.status.id) || \
                self.spec.adopt.instanceId == oldSelf.status.id || \
                (has(oldSelf.spec.adopt) && self.spec.adopt.instanceId == oldSelf.spec.adopt.instanceId)",
        message: "this object already has an instance: adopt.instanceId can only name the one in status.id. To take \
                  over another one, create another DcsInstance",
    },
];
