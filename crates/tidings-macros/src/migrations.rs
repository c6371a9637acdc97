//! `migrations!`.

use std::collections::BTreeMap;
use std::path::Path;

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::LitStr;

use crate::folder::{named, text_of};

/// The stores that may have a text of their own, as files name them.
const STORES: [&str; 2] = ["sqlite", "postgres"];

/// One number, with its text for every store or with one for each.
struct Migration {
    name: String,
    portable: Option<String>,
    /// In the order of `STORES`.
    of_stores: [Option<String>; STORES.len()],
}

impl Migration {
    /// The file for a store.
    fn file(&self, store: usize) -> Option<&String> {
        self.of_stores[store].as_ref().or(self.portable.as_ref())
    }
}

type Migrations = BTreeMap<i64, Migration>;

pub(crate) fn expand(path: &LitStr) -> TokenStream {
    match read(&named(&path.value(), path.span())) {
        Ok(migrations)
            if migrations.values().all(|migration| migration.of_stores.iter().all(Option::is_none)) =>
        {
            list(&migrations, 0)
        }
        Ok(migrations) => {
            let (sqlite, postgres) = (list(&migrations, 0), list(&migrations, 1));
            quote!(&::tidings::MigrationsByStore { sqlite: #sqlite, postgres: #postgres })
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

/// The migrations for a store.
fn list(migrations: &Migrations, store: usize) -> TokenStream {
    let migrations = migrations.iter().filter_map(|(version, migration)| {
        let (name, file) = (&migration.name, migration.file(store)?);
        Some(quote! {
            ::tidings::Migration {
                version: #version,
                name: #name,
                sql: ::core::include_str!(#file),
            }
        })
    });
    quote!(&[#(#migrations),*])
}

/// The migrations of a folder by number, or everything that is wrong with it.
fn read(folder: &Path) -> Result<Migrations, Vec<String>> {
    let entries =
        std::fs::read_dir(folder).map_err(|error| vec![format!("cannot open the folder: {error}")])?;
    let mut files: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|file| file.ends_with(".sql"))
        .collect();
    files.sort();
    let mut migrations = Migrations::new();
    let mut errors = Vec::new();
    if files.is_empty() {
        errors.push("has no migrations; name them `0001_name.sql`".to_owned());
    }
    for file in files {
        let Some((version, name, store)) = number_name_and_store(&file) else {
            errors.push(format!(
                "`{file}` is not named like a migration: write `0001_name.sql`, with four digits \
                 or more and a name of lower-case letters, digits and `_`; where the stores need different \
                 texts, `0001_name.sqlite.sql` and `0001_name.postgres.sql`"
            ));
            continue;
        };
        let Some(path) = text_of(&folder.join(&file)) else {
            errors.push(format!("the path of `{file}` is not UTF-8"));
            continue;
        };
        let known = migrations.entry(version).or_insert_with(|| Migration {
            name: name.clone(),
            portable: None,
            of_stores: [const { None }; STORES.len()],
        });
        let text = store.map_or(&mut known.portable, |store| &mut known.of_stores[store]);
        if known.name == name && text.is_none() {
            *text = Some(path);
            continue;
        }
        errors.push(format!(
            "`{file}` and `{version:04}_{}.sql` have the same number; give the newer one the \
             next free number",
            known.name
        ));
    }
    for (version, migration) in &migrations {
        let missing = (0..STORES.len()).find(|store| migration.file(*store).is_none());
        errors.extend(missing.map(|store| {
            let (name, store) = (&migration.name, STORES[store]);
            format!("`{version:04}_{name}` has no text for {store}: write `{version:04}_{name}.{store}.sql`, or `{version:04}_{name}.sql` for all others")
        }));
    }
    if errors.is_empty() { Ok(migrations) } else { Err(errors) }
}

/// What a file's name says; the store by its place in `STORES`.
fn number_name_and_store(file: &str) -> Option<(i64, String, Option<usize>)> {
    let (number, name) = file.strip_suffix(".sql")?.split_once('_')?;
    let (name, store) = match name.split_once('.') {
        Some((name, store)) => (name, Some(STORES.iter().position(|known| *known == store)?)),
        None => (name, None),
    };
    let is_number = number.len() >= 4 && number.chars().all(|c| c.is_ascii_digit());
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let is_name = !name.is_empty() && name.chars().all(plain);
    let version = number.parse().ok().filter(|version| *version > 0)?;
    (is_number && is_name).then(|| (version, name.to_owned(), store))
}

#[cfg(test)]
mod tests {
    use super::number_name_and_store;

    #[test]
    fn names_of_migrations() {
        for (file, read) in [
            ("0001_stock.sql", Some((1, "stock", None))),
            ("20260101_add_index2.sql", Some((20_260_101, "add_index2", None))),
            ("0001_stock.sqlite.sql", Some((1, "stock", Some(0)))),
            ("0001_stock.postgres.sql", Some((1, "stock", Some(1)))),
            ("0001_stock.mysql.sql", None),
            ("1_stock.sql", None),
            ("0000_stock.sql", None),
            ("0001-stock.sql", None),
            ("0001_.sql", None),
            ("0001_Stock.sql", None),
            ("+001_stock.sql", None),
        ] {
            let read = read.map(|(version, name, store)| (version, name.to_owned(), store));
            assert_eq!(number_name_and_store(file), read, "{file}");
        }
    }
}
