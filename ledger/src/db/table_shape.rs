//! Whether the stock table can be followed, and how its columns are read and written. Pure: the
//! facts come from the catalogue.
//!
//! A number is read as text and understood here, exactly, or its row does not fit. No CAST that
//! rounds stands anywhere.

use crate::config::StockTable;
use crate::dialect::Dialect;

/// Quantities beyond this are none that the module has.
const MAX_UNITS: u64 = (1 << 53) - 1;

/// A column, as the catalogue has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, in lower case: of PostgreSQL the internal name, of SQLite what was declared.
    pub kind: String,
    /// Digits behind the point; none where it has any number of them, or is no decimal.
    pub scale: Option<i64>,
    /// The database computes it.
    pub generated: bool,
    /// The character set, where each column has its own (MariaDB, MySQL).
    pub charset: String,
}

/// What a table is kept in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// A table that takes part in transactions.
    Transactional,
    /// A table of an engine that does not.
    Engine(String),
    /// A view, a foreign table, and the like.
    Other(String),
}

impl Storage {
    /// Why the table is not taken, and what to do.
    pub fn refusal(&self, table: &str) -> String {
        match self {
            Storage::Transactional => String::new(),
            Storage::Engine(engine) => format!(
                "{table} is a table of the engine {engine}, which has no transactions: a batch that fails would stay \
                 half written, and its units would be taken again. ALTER TABLE {table} ENGINE=InnoDB, then try again"
            ),
            Storage::Other(kind) if kind == "unlogged table" => format!(
                "{table} is an unlogged table: a crash of the database empties it. ALTER TABLE {table} SET LOGGED, \
                 then try again"
            ),
            Storage::Other(kind) => format!(
                "{table} is a {kind}: nobody can tell whether what is written through it is part of the transaction. \
                 Name the table itself"
            ),
        }
    }
}

/// What the catalogue says of the stock table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// How it is kept.
    pub storage: Storage,
    /// The column that names the product; none: there is no such column.
    pub key: Option<Column>,
    /// The column that says how much is there.
    pub quantity: Option<Column>,
    /// The column that counts changes, where one is configured.
    pub version: Option<Option<Column>>,
    /// Whether the key alone has a unique index.
    pub unique: bool,
    /// Whether triggers or rules see what is written.
    pub triggers: bool,
}

/// How keys are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Text,
    /// Text in a character set that does not have every letter.
    Latin1,
    Ascii,
    Utf8mb3,
    Integer,
    Uuid,
}

/// How the columns of the stock table are read and written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    dialect: Dialect,
    key: Key,
    /// Whether the quantity is a decimal, and written as one.
    decimal: bool,
    /// The pool's unit: 10 to the power of minus this.
    digits: u32,
    /// What is written is read again: a trigger may have undone it.
    verified: bool,
}

/// Why a row of the stock table is left alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(pub String);

impl Shape {
    /// The shape of the ledger's own stock table.
    pub fn plain(dialect: Dialect) -> Shape {
        Shape { dialect, key: Key::Text, decimal: false, digits: 0, verified: false }
    }

    /// The shape of a table, or why the ledger cannot work on it.
    ///
    /// # Errors
    /// The text of a `Failure::Refused`: it names the table or the column, and says what would do.
    pub fn of(dialect: Dialect, named: &StockTable, facts: &Facts) -> Result<Shape, String> {
        let table = &named.table;
        if facts.storage != Storage::Transactional {
            return Err(facts.storage.refusal(table));
        }
        let missing = |name: &str| format!("{table} has no column {name}");
        let key = facts.key.as_ref().ok_or_else(|| missing(&named.key))?;
        let quantity = facts.quantity.as_ref().ok_or_else(|| missing(&named.quantity))?;
        let digits = named.unit_digits().ok_or_else(|| format!("stock.unit: {} is not 1, 0.1, 0.01 …", named.unit))?;
        let shape = Shape {
            dialect,
            key: key_kind(dialect, key).map_err(|why| format!("{table}.{}: {why}", key.name))?,
            decimal: quantity_kind(dialect, quantity, digits)
                .map_err(|why| format!("{table}.{}: {why}", quantity.name))?,
            digits,
            verified: facts.triggers,
        };
        if let Some(version) = &facts.version {
            let name = named.version.as_deref().unwrap_or_default();
            let version = version.as_ref().ok_or_else(|| {
                format!("{} (version = \"\" in the configuration says that there is none)", missing(name))
            })?;
            version_kind(dialect, version).map_err(|why| format!("{table}.{}: {why}", version.name))?;
        }
        if !facts.unique {
            return Err(format!(
                "{table}.{}: no primary key or unique index has this column alone. The ledger needs one row for each \
                 key: name a table that has, or make a unique index",
                named.key
            ));
        }
        Ok(shape)
    }

    /// Whether what is written must be read again.
    pub fn is_verified(&self) -> bool {
        self.verified
    }

    /// A key as text.
    pub fn key_read(&self, column: &str) -> String {
        match (self.key, self.dialect) {
            (Key::Integer | Key::Uuid, Dialect::Mysql) => format!("CAST({column} AS CHAR)"),
            (Key::Integer | Key::Uuid, _) => format!("CAST({column} AS TEXT)"),
            _ => column.to_string(),
        }
    }

    /// What a key that comes as text is compared by.
    pub fn key_placeholder(&self) -> &'static str {
        match (self.key, self.dialect) {
            (Key::Integer, Dialect::Sqlite) => "CAST(? AS INTEGER)",
            (Key::Integer, Dialect::Postgres) => "CAST(? AS bigint)",
            (Key::Integer, Dialect::Mysql) => "CAST(? AS SIGNED)",
            (Key::Uuid, Dialect::Postgres) => "CAST(? AS uuid)",
            (_, Dialect::Postgres) => "CAST(? AS text)",
            _ => "?",
        }
    }

    /// What a column of keys that comes as an array of texts is compared by (PostgreSQL).
    pub fn key_array(&self) -> &'static str {
        match self.key {
            Key::Integer => "CAST(CAST(? AS text[]) AS bigint[])",
            Key::Uuid => "CAST(CAST(? AS text[]) AS uuid[])",
            _ => "CAST(? AS text[])",
        }
    }

    /// An array of quantities (PostgreSQL).
    pub fn quantity_array(&self) -> &'static str {
        if self.decimal {
            "CAST(CAST(? AS text[]) AS numeric[])"
        } else {
            "CAST(CAST(? AS text[]) AS bigint[])"
        }
    }

    /// An array of versions (PostgreSQL).
    pub fn version_array(&self) -> &'static str {
        Shape { decimal: false, ..self.clone() }.quantity_array()
    }

    /// Whether the column can hold this key at all: what it cannot hold is in no row, and asking
    /// for it would be an error.
    pub fn can_hold(&self, sku: &str) -> bool {
        match self.key {
            Key::Text => true,
            Key::Ascii => sku.is_ascii(),
            Key::Latin1 => {
                sku.chars().all(|c| c.is_ascii() || ('\u{a0}'..='\u{ff}').contains(&c) || CP1252.contains(c))
            }
            Key::Utf8mb3 => sku.chars().all(|c| u32::from(c) <= 0xffff),
            Key::Integer => sku.parse::<i64>().is_ok_and(|number| number.to_string() == sku),
            Key::Uuid => is_uuid(sku),
        }
    }

    /// A number as text, as [`Shape::units`] understands it.
    pub fn number_read(&self, column: &str) -> String {
        match self.dialect {
            // A column of SQLite has a type for each row.
            Dialect::Sqlite => format!(
                "CASE typeof({column}) WHEN 'null' THEN NULL WHEN 'integer' THEN CAST({column} AS TEXT) \
                 ELSE CAST({column} AS TEXT) || ' (' || typeof({column}) || ')' END"
            ),
            Dialect::Postgres => format!("CAST({column} AS TEXT)"),
            Dialect::Mysql => format!("CAST({column} AS CHAR)"),
        }
    }

    /// The placeholder of a quantity.
    pub fn quantity_placeholder(&self) -> String {
        match (self.decimal, self.dialect) {
            (true, Dialect::Mysql) => format!("CAST(? AS DECIMAL(65,{}))", self.digits),
            (true, Dialect::Postgres) => "CAST(CAST(? AS text) AS numeric)".to_string(),
            (false, Dialect::Postgres) => "CAST(CAST(? AS text) AS bigint)".to_string(),
            (false, Dialect::Mysql) => "CAST(? AS SIGNED)".to_string(),
            (_, Dialect::Sqlite) => "CAST(? AS INTEGER)".to_string(),
        }
    }

    /// The placeholder of a version.
    pub fn version_placeholder(&self) -> String {
        Shape { decimal: false, ..self.clone() }.quantity_placeholder()
    }

    /// A quantity as the column has it.
    pub fn written(&self, units: i64) -> String {
        decimal(units, self.digits)
    }

    /// The units that a quantity stands for, exactly.
    ///
    /// # Errors
    /// [`Unfit`]: `has no number`, or `says …, which is not a whole number of …`, also beyond 2^53.
    pub fn units(&self, quantity: Option<&str>) -> Result<i64, Unfit> {
        let quantity = quantity.ok_or_else(|| Unfit("has no number".to_string()))?;
        units(quantity, self.digits).ok_or_else(|| {
            Unfit(format!("says {quantity}, which is not a whole number of {}", decimal(1, self.digits)))
        })
    }
}

/// The letters of MariaDB's latin1 that stand elsewhere in Unicode.
const CP1252: &str = "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ";

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
        })
}

/// `units` times 10 to the power of minus `digits`.
fn decimal(units: i64, digits: u32) -> String {
    if digits == 0 {
        return units.to_string();
    }
    let digits = digits as usize;
    let sign = if units < 0 { "-" } else { "" };
    let plain = format!("{:0>width$}", units.unsigned_abs(), width = digits + 1);
    let (whole, fraction) = plain.split_at(plain.len() - digits);
    format!("{sign}{whole}.{fraction}")
}

/// A decimal text in units; none where it is not a whole number of them.
fn units(text: &str, digits: u32) -> Option<i64> {
    let (negative, plain) = match text.strip_prefix('-') {
        Some(plain) => (true, plain),
        None => (false, text),
    };
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    let is_number = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let kept = fraction.len().min(digits as usize);
    let (kept, rest) = fraction.split_at(kept);
    if rest.bytes().any(|b| b != b'0') {
        return None;
    }
    let all = format!("{whole}{kept:0<width$}", width = digits as usize);
    let number: u64 =
        all.trim_start_matches('0').parse().or_else(|e| if is_zero(&all) { Ok(0) } else { Err(e) }).ok()?;
    let number = i64::try_from(number).ok().filter(|n| n.unsigned_abs() <= MAX_UNITS)?;
    Some(if negative { -number } else { number })
}

fn is_zero(digits: &str) -> bool {
    digits.bytes().all(|b| b == b'0')
}

fn key_kind(dialect: Dialect, column: &Column) -> Result<Key, String> {
    let kind = column.kind.as_str();
    let with = |would: &str| {
        Err(format!("the key is of the type {kind}, and a key must be text, an integer or a UUID. {would}"))
    };
    match dialect {
        Dialect::Sqlite => {
            let has = |words: &[&str]| words.iter().any(|word| kind.contains(word));
            match () {
                () if has(&["int"]) => Ok(Key::Integer),
                () if kind.is_empty() || has(&["char", "text", "clob"]) => Ok(Key::Text),
                () => with("SQLite makes numbers of texts in this column: declare it TEXT"),
            }
        }
        Dialect::Postgres => match kind {
            "text" | "varchar" => Ok(Key::Text),
            "int2" | "int4" | "int8" => Ok(Key::Integer),
            "uuid" => Ok(Key::Uuid),
            "bpchar" => with("CHAR(n) fills up with spaces: ALTER the column to varchar or text"),
            "citext" => with("citext holds two spellings for one: ALTER the column to text"),
            "enum" => with("ALTER the column to text"),
            _ => with("Name a column that is"),
        },
        Dialect::Mysql => match kind {
            "varchar" | "char" | "tinytext" | "text" | "mediumtext" | "longtext" => match column.charset.as_str() {
                "utf8mb4" => Ok(Key::Text),
                "utf8" | "utf8mb3" => Ok(Key::Utf8mb3),
                "latin1" => Ok(Key::Latin1),
                "ascii" => Ok(Key::Ascii),
                other => Err(format!(
                    "the key has the character set {other}; the ledger knows utf8mb4, utf8mb3, latin1 and ascii. \
                     ALTER the column to CHARACTER SET utf8mb4"
                )),
            },
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => Ok(Key::Integer),
            "uuid" => Ok(Key::Uuid),
            "enum" | "set" => with("ALTER the column to VARCHAR"),
            "binary" | "varbinary" => with("ALTER the column to VARCHAR … CHARACTER SET utf8mb4"),
            _ => with("Name a column that is"),
        },
    }
}

/// Whether it is a decimal; or why it is not taken.
fn quantity_kind(dialect: Dialect, column: &Column, digits: u32) -> Result<bool, String> {
    let kind = column.kind.as_str();
    if column.generated {
        return Err(
            "the database computes this column, so nothing can be written into it. Name the column that it is \
                    computed from"
                .to_string(),
        );
    }
    if is_whole(dialect, kind) {
        return match digits {
            0 => Ok(false),
            _ => Err(format!(
                "the column is of the type {kind}, which holds whole numbers, and stock.unit is {}: leave stock.unit \
                 out, and the pool's unit is the column's",
                decimal(1, digits)
            )),
        };
    }
    if !is_decimal(dialect, kind) {
        return Err(format!(
            "the quantity is of the type {kind}, which cannot be counted exactly. Take a whole-number type, or \
             DECIMAL and stock.unit"
        ));
    }
    match (dialect, digits, column.scale) {
        // Its decimals are binary floating point; whole ones are integers.
        (Dialect::Sqlite, 0, _) => Ok(false),
        (Dialect::Sqlite, ..) => Err(format!(
            "SQLite keeps decimals as binary floating point. Count {} in an INTEGER column, and leave stock.unit out",
            decimal(1, digits)
        )),
        (_, digits, Some(scale)) if scale < i64::from(digits) => Err(format!(
            "the column has {scale} digits behind the point, and stock.unit is {}: a pool would sell what the column \
             cannot hold. Take a unit of at most {scale} digits",
            decimal(1, digits)
        )),
        _ => Ok(true),
    }
}

fn version_kind(dialect: Dialect, column: &Column) -> Result<(), String> {
    let kind = column.kind.as_str();
    if column.generated {
        return Err("the database computes this column, so the ledger cannot count it up. version = \"\" works \
                    without one"
            .to_string());
    }
    if is_whole(dialect, kind) || (is_decimal(dialect, kind) && column.scale == Some(0)) {
        return Ok(());
    }
    Err(format!(
        "the version is of the type {kind}, and the ledger counts it up by 1: it must be a whole number. version = \
         \"\" works without one, and compares the quantity itself"
    ))
}

fn is_whole(dialect: Dialect, kind: &str) -> bool {
    match dialect {
        Dialect::Sqlite => kind.contains("int"),
        Dialect::Postgres => ["int2", "int4", "int8"].contains(&kind),
        Dialect::Mysql => ["tinyint", "smallint", "mediumint", "int", "bigint"].contains(&kind),
    }
}

fn is_decimal(dialect: Dialect, kind: &str) -> bool {
    match dialect {
        // What else has its affinity (BOOLEAN, DATE) is no quantity.
        Dialect::Sqlite => kind.starts_with("dec") || kind.starts_with("num"),
        Dialect::Postgres => kind == "numeric",
        Dialect::Mysql => kind == "decimal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_both_ways() {
        for (text, digits, number) in [
            ("4.50", 3, Some(4500)),
            ("4.50", 0, None),
            ("4.00", 0, Some(4)),
            ("-0.001", 3, Some(-1)),
            ("0.0005", 3, None),
            ("0.0010", 3, Some(1)),
            ("9007199254740.991", 3, Some((1 << 53) - 1)),
            ("9007199254740.992", 3, None),
            ("18446744073709551615", 0, None),
            ("99999999999999999999999999", 0, None),
            ("0", 0, Some(0)),
            ("000", 2, Some(0)),
            ("5 pcs", 0, None),
            ("4.0 (real)", 0, None),
            ("NaN", 3, None),
            ("", 0, None),
            (".5", 3, None),
            ("1e3", 0, None),
        ] {
            assert_eq!(units(text, digits), number, "{text} at {digits}");
        }
        for (number, digits, text) in
            [(4500, 3, "4.500"), (-1, 3, "-0.001"), (7, 0, "7"), (0, 2, "0.00"), (-12345, 2, "-123.45")]
        {
            assert_eq!(decimal(number, digits), text);
            assert_eq!(units(text, digits), Some(number));
        }
    }

    #[test]
    fn keys_that_a_column_cannot_hold_are_known() {
        let holds = |key, sku: &str| Shape { key, ..Shape::plain(Dialect::Mysql) }.can_hold(sku);
        assert!(holds(Key::Text, "茶🍵"));
        assert!(holds(Key::Utf8mb3, "茶") && !holds(Key::Utf8mb3, "🍵"));
        assert!(holds(Key::Latin1, "thé€") && !holds(Key::Latin1, "茶"));
        assert!(holds(Key::Ascii, "tea") && !holds(Key::Ascii, "thé"));
        assert!(holds(Key::Integer, "-7") && !holds(Key::Integer, "07") && !holds(Key::Integer, "7a"));
        assert!(holds(Key::Uuid, "123e4567-e89b-12d3-a456-426614174000"));
        assert!(!holds(Key::Uuid, "123E4567-e89b-12d3-a456-426614174000"));
    }

    #[test]
    fn every_type_is_judged() {
        let column = |kind: &str, scale| Column {
            name: "n".to_string(),
            kind: kind.to_string(),
            scale,
            generated: false,
            charset: String::new(),
        };
        use Dialect::*;
        for (dialect, kind, scale, digits, decimal) in [
            (Postgres, "int4", None, 0, Some(false)),
            (Postgres, "int4", None, 3, None),
            (Postgres, "numeric", Some(2), 0, Some(true)),
            (Postgres, "numeric", Some(2), 3, None),
            (Postgres, "numeric", None, 3, Some(true)),
            (Postgres, "float8", None, 0, None),
            (Postgres, "money", None, 0, None),
            (Mysql, "bigint", Some(0), 0, Some(false)),
            (Mysql, "decimal", Some(4), 3, Some(true)),
            (Mysql, "double", None, 0, None),
            (Mysql, "varchar", None, 0, None),
            (Sqlite, "integer", None, 0, Some(false)),
            (Sqlite, "decimal(10,2)", None, 0, Some(false)),
            (Sqlite, "decimal(10,2)", None, 2, None),
            (Sqlite, "real", None, 0, None),
            (Sqlite, "text", None, 0, None),
            (Sqlite, "", None, 0, None),
        ] {
            let judged = quantity_kind(dialect, &column(kind, scale), digits);
            assert_eq!(judged.as_ref().ok().copied(), decimal, "{dialect:?} {kind} {scale:?} {digits}: {judged:?}");
        }
        let generated = Column { generated: true, ..column("int4", None) };
        assert!(quantity_kind(Postgres, &generated, 0).is_err() && version_kind(Postgres, &generated).is_err());
        assert!(version_kind(Postgres, &column("timestamptz", None)).is_err());
        for kind in ["bpchar", "citext", "enum", "bytea"] {
            assert!(key_kind(Postgres, &column(kind, None)).expect_err(kind).contains(kind));
        }
    }
}
