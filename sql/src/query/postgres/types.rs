//! Casts to types that only PostgreSQL has.

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, SelectItem, SetExpr, TimezoneInfo, Value,
};

use super::{each_outermost, expressions};
use crate::system::pg_catalog;
use crate::types::Spoken;

/// Types whose values are object ids and are written as names.
const NAMED: [&str; 5] = ["regclass", "regtype", "regnamespace", "regrole", "regproc"];

pub fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

/// A parameter that counts rows, said to be a number.
pub fn counted(expr: &mut Expr) {
    if matches!(expr, Expr::Value(value) if matches!(value.value, Value::Placeholder(_))) {
        *expr = cast(std::mem::replace(expr, expressions::null()), DataType::BigInt(None));
    }
}

/// A call of a function by its name.
pub fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: vec![] }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}

/// The last part of a type's name where it is one of PostgreSQL's own or has a schema before it.
fn own_name(data_type: &DataType) -> Option<String> {
    match data_type {
        DataType::Custom(name, _) => {
            name.0.last().and_then(|part| part.as_ident()).map(|ident| ident.value.to_lowercase())
        }
        DataType::Regclass => Some("regclass".to_owned()),
        _ => None,
    }
}

/// What clients know values of a type as, where ours does not say it.
pub fn known_as(data_type: &DataType) -> Option<Spoken> {
    match data_type {
        DataType::Array(ArrayElemTypeDef::SquareBracket(item, _)) => known_as(item)?.array(),
        other => match own_name(other)?.as_str() {
            "oid" => Some(Spoken::Oid),
            "name" => Some(Spoken::Name),
            "xid" => Some(Spoken::Xid),
            _ => None,
        },
    }
}

/// Writes a cast in words that the planner reads.
pub fn spoken_cast(expr: &mut Expr) {
    let Expr::Cast { expr: inner, data_type, .. } = expr else { return };
    if let DataType::Array(element) = data_type {
        if let ArrayElemTypeDef::SquareBracket(item, _) = element
            && own_name(item).as_deref() == Some("regtype")
        {
            let oids = std::mem::replace(&mut **inner, expressions::null());
            *expr = call("_pg_regtype_names", vec![oids]);
            return;
        }
        if let ArrayElemTypeDef::SquareBracket(item, _) | ArrayElemTypeDef::AngleBracket(item) = element
            && let Some(known) = own_name(item).and_then(|name| type_of(&name))
        {
            **item = known;
        }
        let known = !matches!(element, ArrayElemTypeDef::SquareBracket(item, _) if own_name(item).is_some());
        if expressions::is_array(inner) && !known {
            *expr = std::mem::replace(inner, expressions::null());
        }
        return;
    }
    let Some(name) = own_name(data_type) else {
        if is_function(inner) {
            let shown = if is_text(data_type) { "_pg_regproc_name" } else { "_pg_oid" };
            let oid = std::mem::replace(&mut **inner, expressions::null());
            *expr = call(shown, vec![oid]);
            return;
        }
        if let (Expr::Function(function), true) = (&**inner, is_text(data_type)) {
            // An object id as the name that it stands for.
            let of = function.name.to_string();
            if let Some(named) = NAMED.iter().find(|named| of == format!("_pg_{named}")) {
                let oid = std::mem::replace(inner, Box::new(expressions::null()));
                *expr = call(&format!("_pg_{named}_name"), vec![*oid]);
            }
        }
        return;
    };
    let by_function = is_function(inner);
    let taken = std::mem::replace(&mut **inner, expressions::null());
    *expr = match name.as_str() {
        "oid" if by_function => call("_pg_oid", vec![taken]),
        "text" | "name" if by_function => call("_pg_regproc_name", vec![taken]),
        named if NAMED.contains(&named) => call(&format!("_pg_{named}"), vec![taken]),
        plain => match type_of(plain) {
            Some(data_type) => {
                let mut again = cast(taken, data_type);
                spoken_cast(&mut again);
                again
            }
            None => cast(taken, data_type.clone()),
        },
    };
}

/// Whether an expression is a column of the catalogue that has a function, which is shown and compared as its name.
fn is_function(expr: &Expr) -> bool {
    expressions::column(expr).is_some_and(|name| pg_catalog::is_function_column(&name))
}

/// A column that has a function is compared with a name as with the function that it names.
pub fn compared_with_function(expr: &mut Expr) {
    let Expr::BinaryOp { left, right, .. } = expr else { return };
    let is_text =
        |expr: &Expr| matches!(expr, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)));
    let name = match () {
        () if is_function(left) && is_text(right) => right,
        () if is_function(right) && is_text(left) => left,
        () => return,
    };
    **name = call("_pg_regproc", vec![std::mem::replace(name, expressions::null())]);
}

/// What PostgreSQL names a column by that is a constant of a type.
pub fn short_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Custom(name, _) => own_name(data_type).unwrap_or_else(|| name.to_string()),
        DataType::Regclass => "regclass".to_owned(),
        DataType::Int(_) | DataType::Integer(_) => "int4".to_owned(),
        DataType::BigInt(_) => "int8".to_owned(),
        DataType::SmallInt(_) => "int2".to_owned(),
        DataType::DoublePrecision | DataType::Double(_) => "float8".to_owned(),
        DataType::Real => "float4".to_owned(),
        DataType::Boolean | DataType::Bool => "bool".to_owned(),
        DataType::Numeric(_) | DataType::Decimal(_) => "numeric".to_owned(),
        DataType::Varchar(_) | DataType::CharacterVarying(_) => "varchar".to_owned(),
        DataType::Timestamp(_, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => "timestamptz".to_owned(),
        DataType::Timestamp(..) => "timestamp".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Text | DataType::Varchar(_) | DataType::CharacterVarying(_))
}

fn type_of(name: &str) -> Option<DataType> {
    Some(match name {
        "oid" | "xid" | "int8" | "regoper" | "regoperator" | "regprocedure" => DataType::BigInt(None),
        "int4" => DataType::Int(None),
        "int2" => DataType::SmallInt(None),
        "bool" => DataType::Boolean,
        "float8" => DataType::DoublePrecision,
        "float4" => DataType::Real,
        "name" | "text" | "char" | "varchar" | "bpchar" | "cstring" | "pg_node_tree" | "jsonpath" | "unknown" => {
            DataType::Text
        }
        _ => return None,
    })
}

/// What the outermost SELECT answers of type regclass and its like is written as names.
pub fn name_outermost(body: &mut SetExpr) {
    each_outermost(body, &mut |select| {
        for item in &mut select.projection {
            let (expr, alias) = match item {
                SelectItem::UnnamedExpr(expr) => (expr, None),
                SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias.clone())),
                _ => continue,
            };
            let Expr::Cast { data_type, .. } = expr else { continue };
            if !own_name(data_type).is_some_and(|name| NAMED.contains(&name.as_str())) {
                continue;
            }
            let alias = alias.unwrap_or_else(|| Ident::with_quote('"', expressions::column_name(expr)));
            let named = cast(std::mem::replace(expr, expressions::null()), DataType::Text);
            *item = SelectItem::ExprWithAlias { expr: named, alias };
        }
    });
}
