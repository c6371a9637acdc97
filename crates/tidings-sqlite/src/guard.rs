//! Which module may touch which table.
//!
//! SQLite asks its authorizer while it prepares a statement, and again when a schema change makes it prepare one anew.
//! So a statement is cached per module (its text carries the module's name in a comment) where tables are guarded, and
//! the module is named for as long as its statement runs.
//!
//! Which module's table it is may be left unguarded; Tidings' own tables, and control of the transaction and of the
//! connection, never are a module's: all are shared.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use tidings_core::store::StoreError;

/// Suffixes of the tables that SQLite's own virtual table modules (FTS5, FTS4, R*Tree) keep beside a virtual table.
const SHADOW_SUFFIXES: [&str; 12] = [
    "_data",
    "_idx",
    "_content",
    "_docsize",
    "_config",
    "_node",
    "_parent",
    "_rowid",
    "_segments",
    "_segdir",
    "_stat",
    "_vocab",
];

/// Table-valued functions, which SQLite reports as tables.
const TABLE_FUNCTIONS: [&str; 5] = ["json_each", "json_tree", "jsonb_each", "jsonb_tree", "generate_series"];

/// Who owns which table.
pub(crate) struct Owners {
    enabled: bool,
    declared: RwLock<Option<Arc<Declared>>>,
}

struct Declared {
    /// Grows with every declaration, so that statements prepared under an older one are not found in the cache.
    generation: u64,
    owner_of: HashMap<String, String>,
}

impl Owners {
    pub(crate) fn new(enabled: bool) -> Self {
        Self { enabled, declared: RwLock::new(None) }
    }

    pub(crate) fn declare(&self, owners: &[(String, Vec<String>)]) {
        let mut declared = self.declared.write().unwrap_or_else(PoisonError::into_inner);
        let generation = declared.as_ref().map_or(1, |old| old.generation + 1);
        let tables =
            owners.iter().flat_map(|(module, tables)| tables.iter().map(move |table| (table, module)));
        let owner_of = tables.map(|(table, module)| (table.to_ascii_lowercase(), module.clone())).collect();
        *declared = Some(Arc::new(Declared { generation, owner_of }));
    }

    /// Which declaration is in force; 0 if no tables are guarded.
    pub(crate) fn generation(&self) -> u64 {
        self.declared().map_or(0, |declared| declared.generation)
    }

    fn declared(&self) -> Option<Arc<Declared>> {
        if !self.enabled {
            return None;
        }
        self.declared.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What one connection's authorizer knows: on whose behalf a statement runs, and what it refused.
#[derive(Clone, Default)]
pub(crate) struct Guard {
    scope: Arc<Mutex<Option<Scope>>>,
}

struct Scope {
    module: String,
    tables: Tables,
    denied: Option<Denied>,
}

/// Which tables a statement may touch.
enum Tables {
    /// All.
    Any,
    /// The module's own.
    Own(Arc<Declared>),
    /// In a migration: what nobody else owns. It makes tables that will be declared, and drops some that are no longer.
    Unowned(Option<Arc<Declared>>),
}

enum Denied {
    Table { table: String, owner: Option<String> },
    Action(&'static str),
}

/// A module's statement is prepared and run while this lives.
pub(crate) struct Entered<'a> {
    guard: &'a Guard,
    /// The statement's text as it is cached.
    pub(crate) sql: String,
}

impl Guard {
    /// Guards a module's statement.
    pub(crate) fn enter(&self, owners: &Owners, module: &str, sql: &str) -> Entered<'_> {
        let tables = owners.declared().map_or(Tables::Any, Tables::Own);
        let text = match &tables {
            // A module's name is checked elsewhere; here it must merely not end the comment.
            Tables::Own(declared) => {
                format!("/* {} {} */ {sql}", module.replace('*', " "), declared.generation)
            }
            // What is forbidden is so for all modules alike; only the store's own statements must not be found.
            _ => ["/* of a module */ ", sql].concat(),
        };
        self.enter_scope(module, tables, text)
    }

    /// Guards a module's migration.
    pub(crate) fn enter_migration(&self, owners: &Owners, module: &str) -> Entered<'_> {
        let tables = if owners.enabled { Tables::Unowned(owners.declared()) } else { Tables::Any };
        self.enter_scope(module, tables, String::new())
    }

    fn enter_scope(&self, module: &str, tables: Tables, sql: String) -> Entered<'_> {
        *self.lock() = Some(Scope { module: module.to_owned(), tables, denied: None });
        Entered { guard: self, sql }
    }

    /// The authorizer's answer.
    pub(crate) fn authorize(&self, context: AuthContext<'_>) -> Authorization {
        match &mut *self.lock() {
            Some(scope) => scope.authorize(context),
            None => Authorization::Allow,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Scope>> {
        self.scope.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entered<'_> {
    /// What was refused, as an error with its remedy.
    pub(crate) fn refusal(&self) -> Option<StoreError> {
        let mut scope = self.guard.lock();
        let scope = scope.as_mut()?;
        let denied = scope.denied.take()?;
        Some(explain(&scope.module, denied))
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        *self.guard.lock() = None;
    }
}

impl Scope {
    fn authorize(&mut self, context: AuthContext<'_>) -> Authorization {
        let verdict = match touched(&context) {
            Touched::Nothing => Ok(()),
            Touched::InMigrations(_) if matches!(self.tables, Tables::Unowned(_)) => Ok(()),
            Touched::InMigrations(action) | Touched::Forbidden(action) => Err(Denied::Action(action)),
            // SQLite reports a common table expression of which no column is used like a table without a column.
            Touched::Unnamed(table) if !self.is_known(table) => Ok(()),
            Touched::Unnamed(table) | Touched::Table(table) => self.check(table),
        };
        match verdict {
            Ok(()) => Authorization::Allow,
            Err(denied) => {
                self.denied.get_or_insert(denied);
                Authorization::Deny
            }
        }
    }

    fn is_known(&self, table: &str) -> bool {
        let table = table.to_ascii_lowercase();
        is_own(&table) || self.declared().is_some_and(|declared| declared.owner_of.contains_key(&table))
    }

    fn declared(&self) -> Option<&Declared> {
        match &self.tables {
            Tables::Any => None,
            Tables::Own(declared) => Some(declared),
            Tables::Unowned(declared) => declared.as_deref(),
        }
    }

    fn check(&self, table: &str) -> Result<(), Denied> {
        let table = table.to_ascii_lowercase();
        if table.starts_with("sqlite_") || TABLE_FUNCTIONS.contains(&table.as_str()) {
            return Ok(());
        }
        let owner = self.declared().and_then(|declared| declared.owner_of(&table));
        match (&self.tables, owner) {
            (Tables::Any, _) if !is_own(&table) => Ok(()),
            (_, Some(owner)) if *owner == self.module && !is_own(&table) => Ok(()),
            (Tables::Unowned(_), None) if !is_own(&table) => Ok(()),
            (_, owner) => Err(Denied::Table { owner: owner.cloned(), table }),
        }
    }
}

impl Declared {
    fn owner_of(&self, table: &str) -> Option<&String> {
        let shadowed = || SHADOW_SUFFIXES.iter().find_map(|suffix| table.strip_suffix(suffix));
        self.owner_of.get(table).or_else(|| self.owner_of.get(shadowed()?))
    }
}

fn is_own(table: &str) -> bool {
    table.starts_with("tidings_")
}

enum Touched<'a> {
    Nothing,
    Table(&'a str),
    /// A table, or what looks like one, of which no column is named.
    Unnamed(&'a str),
    Forbidden(&'static str),
    /// As [`Forbidden`](Self::Forbidden), but in migrations.
    InMigrations(&'static str),
}

fn touched<'a>(context: &AuthContext<'a>) -> Touched<'a> {
    let is_temp = context.database_name == Some("temp");
    match context.action {
        action if is_temporary_object(&action, is_temp) => {
            Touched::Forbidden("CREATE or DROP of anything temporary")
        }
        _ if is_temp => Touched::Nothing,
        AuthAction::Read { table_name, column_name: "" } => Touched::Unnamed(table_name),
        AuthAction::Read { table_name, .. }
        | AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::Delete { table_name }
        | AuthAction::CreateTable { table_name }
        | AuthAction::DropTable { table_name }
        | AuthAction::AlterTable { table_name, .. }
        | AuthAction::CreateIndex { table_name, .. }
        | AuthAction::DropIndex { table_name, .. }
        | AuthAction::CreateTrigger { table_name, .. }
        | AuthAction::DropTrigger { table_name, .. }
        | AuthAction::CreateVtable { table_name, .. }
        | AuthAction::DropVtable { table_name, .. } => Touched::Table(table_name),
        AuthAction::Transaction { .. } => Touched::Forbidden("BEGIN, COMMIT or ROLLBACK"),
        AuthAction::Savepoint { .. } => Touched::Forbidden("SAVEPOINT, RELEASE or ROLLBACK TO"),
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => Touched::Forbidden("ATTACH or DETACH"),
        AuthAction::Pragma { pragma_value: Some(_), pragma_name, .. }
            if pragma_name.eq_ignore_ascii_case("defer_foreign_keys") =>
        {
            Touched::InMigrations("PRAGMA with a value")
        }
        AuthAction::Pragma { pragma_value: Some(_), pragma_name, .. } if !is_question(pragma_name) => {
            Touched::Forbidden("PRAGMA with a value")
        }
        _ => Touched::Nothing,
    }
}

/// Temporary objects would outlive the work, on a connection that others use, and may hide anybody's table behind a name.
fn is_temporary_object(action: &AuthAction<'_>, is_temp: bool) -> bool {
    use AuthAction as Do;

    match action {
        Do::CreateTempTable { .. }
        | Do::CreateTempView { .. }
        | Do::CreateTempTrigger { .. }
        | Do::CreateTempIndex { .. }
        | Do::DropTempTable { .. }
        | Do::DropTempView { .. }
        | Do::DropTempTrigger { .. }
        | Do::DropTempIndex { .. } => true,
        // `CREATE TABLE temp.x` is reported like this.
        Do::CreateTable { .. }
        | Do::CreateView { .. }
        | Do::CreateTrigger { .. }
        | Do::CreateIndex { .. }
        | Do::CreateVtable { .. }
        | Do::DropTable { .. }
        | Do::DropView { .. }
        | Do::DropTrigger { .. }
        | Do::DropIndex { .. }
        | Do::DropVtable { .. } => is_temp,
        _ => false,
    }
}

/// Pragmas whose argument asks about a table and changes nothing.
fn is_question(pragma: &str) -> bool {
    ["table_info", "table_xinfo", "index_list", "index_info", "index_xinfo", "foreign_key_list"]
        .iter()
        .any(|known| pragma.eq_ignore_ascii_case(known))
}

fn explain(module: &str, denied: Denied) -> StoreError {
    match denied {
        Denied::Table { table, owner } => {
            let remedy = match &owner {
                _ if is_own(&table) => "it belongs to Tidings itself; use its API".to_owned(),
                Some(owner) => format!(
                    "it belongs to module `{owner}`; ask `{owner}` by a query or a command, or keep a view of its events"
                ),
                None => format!(
                    "no module owns it; if it is `{module}`'s own, add it to `.tables([...])` of that module"
                ),
            };
            StoreError::ForeignTable { module: module.to_owned(), table, remedy }
        }
        Denied::Action(action) => StoreError::Sql {
            context: format!("module `{module}` may not run {action}"),
            source: "the transaction and the connection belong to the runtime".into(),
        },
    }
}
