//! From a type to the calls that write its schema.

use crate::attributes;
use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::{
    Data, DataEnum, DeriveInput, Error, Expr, ExprLit, Field, Fields, FieldsNamed, FieldsUnnamed, Ident, Lit, Result,
    Variant, parse_quote,
};

/// As the engine has them.
const MAX_TUPLE: usize = 12;
const MAX_VARIANTS: usize = 256;

pub fn implement(input: &DeriveInput) -> Result<TokenStream> {
    attributes::check_type(&input.attrs)?;
    let body = match &input.data {
        Data::Struct(data) => structure(&input.ident, &data.fields)?,
        Data::Enum(data) => enumeration(&input.ident, data)?,
        Data::Union(data) => {
            let why = "a union has no schema: nothing in it says which of its fields is there. Make it an enum";
            return Err(Error::new(data.union_token.span, why));
        }
    };
    let mut generics = input.generics.clone();
    for parameter in generics.type_params_mut() {
        parameter.bounds.push(parse_quote!(::opendiskmap::Schema));
    }
    let (parameters, arguments, conditions) = generics.split_for_impl();
    let name = &input.ident;
    Ok(quote! {
        #[automatically_derived]
        impl #parameters ::opendiskmap::Schema for #name #arguments #conditions {
            fn describe(__text: &mut ::opendiskmap::SchemaText) {
                #body
            }
        }
    })
}

fn structure(name: &Ident, fields: &Fields) -> Result<TokenStream> {
    match fields {
        Fields::Named(fields) if !fields.named.is_empty() => {
            let fields = named(fields)?;
            Ok(quote!(__text.structure(#fields)))
        }
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
            attributes::check_element(&fields.unnamed[0].attrs)?;
            let describe = describe(&fields.unnamed[0]);
            Ok(quote!(#describe(__text)))
        }
        Fields::Unnamed(fields) if !fields.unnamed.is_empty() => {
            let elements = unnamed(name.span(), fields)?;
            Ok(quote!(__text.tuple(#elements)))
        }
        _ => Err(Error::new(name.span(), "a struct without fields stores nothing and has no schema")),
    }
}

fn enumeration(name: &Ident, data: &DataEnum) -> Result<TokenStream> {
    let count = data.variants.len();
    if count == 0 || count > MAX_VARIANTS {
        let why = format!("a schema has enums of 1 to {MAX_VARIANTS} variants; this one has {count}");
        return Err(Error::new(name.span(), why));
    }
    let mut names = Vec::with_capacity(count);
    let mut payloads = Vec::with_capacity(count);
    for (index, variant) in data.variants.iter().enumerate() {
        check_number(index, variant)?;
        let renamed = attributes::variant(&variant.attrs)?;
        names.push(renamed.unwrap_or_else(|| variant.ident.unraw().to_string()));
        payloads.push(payload(variant)?);
    }
    attributes::unlike(data.variants.iter().map(|variant| &variant.ident).zip(names.iter().map(String::as_str)))?;
    Ok(quote!(__text.variants(&[#((#names, #payloads)),*])))
}

/// rkyv stores the number that the variant states, the schema counts.
fn check_number(index: usize, variant: &Variant) -> Result<()> {
    match &variant.discriminant {
        Some((_, Expr::Lit(ExprLit { lit: Lit::Int(number), .. })))
            if number.base10_parse::<usize>().is_ok_and(|number| number == index) =>
        {
            Ok(())
        }
        Some((_, number)) => {
            let why = format!(
                "a schema numbers variants as they stand, from 0: this is variant {index}. Leave the number out"
            );
            Err(Error::new_spanned(number, why))
        }
        None => Ok(()),
    }
}

fn payload(variant: &Variant) -> Result<TokenStream> {
    match &variant.fields {
        Fields::Unit => Ok(quote!(::opendiskmap::Variant::Unit)),
        fields if fields.is_empty() => {
            Err(Error::new(variant.ident.span(), "a variant without fields is written without brackets"))
        }
        Fields::Unnamed(fields) => {
            let elements = unnamed(variant.ident.span(), fields)?;
            Ok(quote!(::opendiskmap::Variant::Tuple(#elements)))
        }
        Fields::Named(fields) => {
            let fields = named(fields)?;
            Ok(quote!(::opendiskmap::Variant::Struct(#fields)))
        }
    }
}

fn named(fields: &FieldsNamed) -> Result<TokenStream> {
    let idents: Vec<&Ident> = fields.named.iter().filter_map(|field| field.ident.as_ref()).collect();
    let mut names = Vec::with_capacity(idents.len());
    for (ident, field) in idents.iter().zip(&fields.named) {
        names.push(attributes::field(&field.attrs)?.unwrap_or_else(|| ident.unraw().to_string()));
    }
    attributes::unlike(idents.into_iter().zip(names.iter().map(String::as_str)))?;
    let describes = fields.named.iter().map(describe);
    Ok(quote!(&[#((#names, #describes)),*]))
}

fn unnamed(span: Span, fields: &FieldsUnnamed) -> Result<TokenStream> {
    if fields.unnamed.len() > MAX_TUPLE {
        let why = format!("a schema has tuples of at most {MAX_TUPLE} elements; give these fields names");
        return Err(Error::new(span, why));
    }
    for field in &fields.unnamed {
        attributes::check_element(&field.attrs)?;
    }
    let describes = fields.unnamed.iter().map(describe);
    Ok(quote!(&[#(#describes),*]))
}

fn describe(field: &Field) -> TokenStream {
    let ty = &field.ty;
    quote!(<#ty as ::opendiskmap::Schema>::describe)
}
