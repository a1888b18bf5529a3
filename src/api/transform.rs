//! Transformations of generated schemas.

/// Drops the description of an enum: a field of that type carries its own.
pub(super) fn described_by_field(schema: &mut schemars::Schema) {
    schema.remove("description");
}
