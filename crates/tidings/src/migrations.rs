//! A module's changes of its tables, which stores may want in different words.

use tidings_core::store::Migration;

/// What [`migrations!`](crate::migrations) makes of a folder in which a migration has a text of its own for a store.
#[derive(Clone, Copy, Debug)]
pub struct MigrationsByStore {
    /// For SQLite.
    pub sqlite: &'static [Migration],
    /// For PostgreSQL.
    pub postgres: &'static [Migration],
}

/// What [`Module::migrations`](crate::Module::migrations) takes: a list of [`Migration`]s, or what
/// [`migrations!`](crate::migrations) makes of a folder.
#[diagnostic::on_unimplemented(
    message = "`{Self}` are no migrations",
    note = "write `.migrations(migrations!(\"migrations/orders\"))`, or `.migrations(&[Migration {{ version: 1, name: \"orders\", sql: \"..\" }}])`"
)]
pub trait IntoMigrations {
    #[doc(hidden)]
    #[allow(private_interfaces, reason = "the trait is sealed by this type; users only pass migrations")]
    fn into_migrations(self) -> Migrations;
}

/// The migrations of a module, for each store.
#[derive(Clone, Default)]
pub(crate) struct Migrations {
    sqlite: Vec<Migration>,
    postgres: Vec<Migration>,
}

impl Migrations {
    pub(crate) fn add(&mut self, more: Self) {
        self.sqlite.extend(more.sqlite);
        self.postgres.extend(more.postgres);
    }

    /// Those for a store of this kind; another store than ours is taken to be like SQLite.
    pub(crate) fn of(&self, store: &str) -> &[Migration] {
        if store == "postgres" { &self.postgres } else { &self.sqlite }
    }
}

#[allow(private_interfaces, reason = "see the trait")]
impl IntoMigrations for &[Migration] {
    fn into_migrations(self) -> Migrations {
        Migrations { sqlite: self.to_vec(), postgres: self.to_vec() }
    }
}

#[allow(private_interfaces, reason = "see the trait")]
impl<const N: usize> IntoMigrations for &[Migration; N] {
    fn into_migrations(self) -> Migrations {
        self.as_slice().into_migrations()
    }
}

#[allow(private_interfaces, reason = "see the trait")]
impl IntoMigrations for &Vec<Migration> {
    fn into_migrations(self) -> Migrations {
        self.as_slice().into_migrations()
    }
}

#[allow(private_interfaces, reason = "see the trait")]
impl IntoMigrations for &MigrationsByStore {
    fn into_migrations(self) -> Migrations {
        Migrations { sqlite: self.sqlite.to_vec(), postgres: self.postgres.to_vec() }
    }
}
