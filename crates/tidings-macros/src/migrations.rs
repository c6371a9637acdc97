//! `migrations!`.

use std::collections::BTreeMap;
use std::path::Path;

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::LitStr;

use crate::folder::{named, text_of};

struct Migration {
    version: i64,
    name: String,
    file: String,
}

pub(crate) fn expand(path: &LitStr) -> TokenStream {
    match read(&named(&path.value(), path.span())) {
        Ok(migrations) => {
            let migrations = migrations.iter().map(|migration| {
                let Migration { version, name, file } = migration;
                quote! {
                    ::tidings::Migration {
                        version: #version,
                        name: #name,
                        sql: ::core::include_str!(#file),
                    }
                }
            });
            quote!(&[#(#migrations),*])
        }
        Err(errors) => {
            let errors = errors.iter().map(|error| {
                let message = format!("{}: {error}", path.value());
                quote_spanned!(path.span()=> ::core::compile_error!(#message);)
            });
            quote! {{
                #(#errors)*
                const NONE: &[::tidings::Migration] = &[];
                NONE
            }}
        }
    }
}

/// The migrations of a folder by number, or everything that is wrong with it.
fn read(folder: &Path) -> Result<Vec<Migration>, Vec<String>> {
    let entries =
        std::fs::read_dir(folder).map_err(|error| vec![format!("cannot open the folder: {error}")])?;
    let mut files: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|file| file.ends_with(".sql"))
        .collect();
    files.sort();
    let mut migrations: BTreeMap<i64, Migration> = BTreeMap::new();
    let mut errors = Vec::new();
    if files.is_empty() {
        errors.push("has no migrations; name them `0001_name.sql`".to_owned());
    }
    for file in files {
        let Some((version, name)) = number_and_name(&file) else {
            errors.push(format!(
                "`{file}` is not named like a migration: write `0001_name.sql`, with four digits \
                 or more and a name of lower-case letters, digits and `_`"
            ));
            continue;
        };
        let Some(path) = text_of(&folder.join(&file)) else {
            errors.push(format!("the path of `{file}` is not UTF-8"));
            continue;
        };
        let migration = Migration { version, name, file: path };
        if let Some(first) = migrations.insert(version, migration) {
            errors.push(format!(
                "`{file}` and `{version:04}_{}.sql` have the same number; give the newer one the \
                 next free number",
                first.name
            ));
        }
    }
    if errors.is_empty() { Ok(migrations.into_values().collect()) } else { Err(errors) }
}

fn number_and_name(file: &str) -> Option<(i64, String)> {
    let (number, name) = file.strip_suffix(".sql")?.split_once('_')?;
    let is_number = number.len() >= 4 && number.chars().all(|c| c.is_ascii_digit());
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let is_name = !name.is_empty() && name.chars().all(plain);
    let version = number.parse().ok().filter(|version| *version > 0)?;
    (is_number && is_name).then(|| (version, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::number_and_name;

    #[test]
    fn names_of_migrations() {
        for (file, read) in [
            ("0001_stock.sql", Some((1, "stock"))),
            ("20260101_add_index2.sql", Some((20_260_101, "add_index2"))),
            ("1_stock.sql", None),
            ("0000_stock.sql", None),
            ("0001-stock.sql", None),
            ("0001_.sql", None),
            ("0001_Stock.sql", None),
            ("+001_stock.sql", None),
        ] {
            let read = read.map(|(version, name)| (version, name.to_owned()));
            assert_eq!(number_and_name(file), read, "{file}");
        }
    }
}
