//! The attributes beside a derive: the one of ours, and those of rkyv that leave the archived form as the schema says.

use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Ident, LitStr, Meta, Path, Result, Token, parenthesized};

/// Attributes of rkyv on a type.
const ON_TYPES: &[&str] = &[
    "archived",
    "archive_bounds",
    "attr",
    "bytecheck",
    "compare",
    "crate",
    "derive",
    "deserialize_bounds",
    "resolver",
    "serialize_bounds",
];

/// Attributes of rkyv on a field.
const ON_FIELDS: &[&str] = &["attr", "omit_bounds"];

/// A type's attributes.
pub fn check_type(attributes: &[Attribute]) -> Result<()> {
    let misplaced = "`schema` has nothing to say of a type: `rename` is for named fields and for variants";
    only_rkyv(attributes, ON_TYPES, misplaced)
}

/// The attributes of a field without a name.
pub fn check_element(attributes: &[Attribute]) -> Result<()> {
    only_rkyv(attributes, ON_FIELDS, "only a named field can be renamed")
}

/// The attributes of a named field, and the name that they give it.
pub fn field(attributes: &[Attribute]) -> Result<Option<String>> {
    check_rkyv(attributes, ON_FIELDS)?;
    rename(attributes)
}

/// The attributes of a variant, and the name that they give it.
pub fn variant(attributes: &[Attribute]) -> Result<Option<String>> {
    check_rkyv(attributes, &[])?;
    rename(attributes)
}

fn only_rkyv(attributes: &[Attribute], known: &[&str], misplaced: &str) -> Result<()> {
    check_rkyv(attributes, known)?;
    match attributes.iter().find(|attribute| attribute.path().is_ident("schema")) {
        Some(attribute) => Err(Error::new_spanned(attribute, misplaced)),
        None => Ok(()),
    }
}

fn rename(attributes: &[Attribute]) -> Result<Option<String>> {
    let mut renamed = None;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("schema")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("rename") {
                return Err(meta.error("the one attribute of a schema is `rename = \"…\"`"));
            }
            let name = meta.value()?.parse::<LitStr>()?;
            match renamed.replace(name.value()) {
                None => Ok(()),
                Some(_) => Err(Error::new(name.span(), "it is renamed twice")),
            }
        })?;
    }
    Ok(renamed)
}

/// Refuses what is not known to leave the archived form as it is, since no list of what changes it would stay complete.
fn check_rkyv(attributes: &[Attribute], known: &[&str]) -> Result<()> {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("rkyv")) {
        attribute.parse_nested_meta(|meta| {
            if known.iter().any(|known| meta.path.is_ident(known)) {
                return skip(&meta);
            }
            Err(meta.error(
                "with this attribute the archived form may be another than the schema says: leave it out, or implement `Schema` by hand",
            ))
        })?;
    }
    Ok(())
}

/// Takes what belongs to an attribute, and looks into it where it names others.
fn skip(meta: &ParseNestedMeta<'_>) -> Result<()> {
    if meta.path.is_ident("attr") {
        let content;
        parenthesized!(content in meta.input);
        for passed in Punctuated::<Meta, Token![,]>::parse_terminated(&content)? {
            if passed.path().is_ident("repr") || passed.path().is_ident("cfg_attr") {
                return Err(Error::new_spanned(
                    passed,
                    "with this attribute the archived form may be laid out in another way than the schema says: leave it out, or \
                     implement `Schema` by hand",
                ));
            }
        }
    } else if meta.input.peek(Token![=]) {
        // `archived` and `resolver` have a name there, `crate` a path.
        meta.value()?.parse::<Path>()?;
    } else if meta.input.peek(syn::token::Paren) {
        let content;
        parenthesized!(content in meta.input);
        content.parse::<proc_macro2::TokenStream>()?;
    }
    Ok(())
}

/// Refuses the second of two equal names.
pub fn unlike<'a>(names: impl IntoIterator<Item = (&'a Ident, &'a str)>) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    for (ident, name) in names {
        if !seen.insert(name) {
            return Err(Error::new(ident.span(), format!("the name `{name}` is there twice")));
        }
    }
    Ok(())
}
