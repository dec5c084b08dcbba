//! What functions take and give.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::types::Type;

/// A way to call a function.
#[derive(Debug)]
pub(super) struct Overload {
    /// The receiver first, for methods.
    pub(super) parameters: Vec<Type>,
    pub(super) result: Type,
}

/// One function a line: `name parameters result | parameters result`; methods begin with a dot and have their receiver first.
const TABLE: &str = "
!_ (bool) bool
-_ (int) int | (double) double
_==_ (A,A) bool
_!=_ (A,A) bool
_+_ (int,int) int | (uint,uint) uint | (double,double) double | (string,string) string | (bytes,bytes) bytes | (list<A>,list<A>) list<A> | (duration,duration) duration | (timestamp,duration) timestamp | (duration,timestamp) timestamp
_-_ (int,int) int | (uint,uint) uint | (double,double) double | (duration,duration) duration | (timestamp,timestamp) duration | (timestamp,duration) timestamp
_*_ (int,int) int | (uint,uint) uint | (double,double) double
_/_ (int,int) int | (uint,uint) uint | (double,double) double
_%_ (int,int) int | (uint,uint) uint
@in (A,list<A>) bool | (A,map<A,B>) bool
@not_strictly_false (bool) bool
cel.@mapInsert (map<A,B>,A,B) map<A,B> | (map<A,B>,map<A,B>) map<A,B>
size (string) int | (bytes) int | (list<A>) int | (map<A,B>) int
.size (string) int | (bytes) int | (list<A>) int | (map<A,B>) int
type (A) type
dyn (A) dyn
string (string) string | (bool) string | (int) string | (uint) string | (double) string | (bytes) string | (duration) string | (timestamp) string | (IP) string | (CIDR) string
int (int) int | (uint) int | (double) int | (string) int | (timestamp) int
uint (uint) uint | (int) uint | (double) uint | (string) uint
double (double) double | (int) double | (uint) double | (string) double
bool (bool) bool | (string) bool
bytes (bytes) bytes | (string) bytes
duration (duration) duration | (string) duration
timestamp (timestamp) timestamp | (string) timestamp | (int) timestamp
matches (string,string) bool
.matches (string,string) bool
.startsWith (string,string) bool
.endsWith (string,string) bool
.contains (string,string) bool
.getFullYear (timestamp) int | (timestamp,string) int
.getMonth (timestamp) int | (timestamp,string) int
.getDayOfYear (timestamp) int | (timestamp,string) int
.getDayOfMonth (timestamp) int | (timestamp,string) int
.getDate (timestamp) int | (timestamp,string) int
.getDayOfWeek (timestamp) int | (timestamp,string) int
.getHours (timestamp) int | (timestamp,string) int | (duration) int
.getMinutes (timestamp) int | (timestamp,string) int | (duration) int
.getSeconds (timestamp) int | (timestamp,string) int | (duration) int
.getMilliseconds (timestamp) int | (timestamp,string) int | (duration) int
optional.of (A) optional<A>
optional.ofNonZeroValue (A) optional<A>
optional.none () optional<A>
.hasValue (optional<A>) bool
.value (optional<A>) A
.or (optional<A>,optional<A>) optional<A>
.orValue (optional<A>,A) A
.charAt (string,int) string
.indexOf (string,string) int | (string,string,int) int | (list<A>,A) int
.lastIndexOf (string,string) int | (string,string,int) int | (list<A>,A) int
.lowerAscii (string) string
.upperAscii (string) string
.replace (string,string,string) string | (string,string,string,int) string
.split (string,string) list<string> | (string,string,int) list<string>
.substring (string,int) string | (string,int,int) string
.trim (string) string
.join (list<string>) string | (list<string>,string) string
.format (string,list<dyn>) string
strings.quote (string) string
.isSorted (list<A>) bool
.sum (list<int>) int | (list<uint>) uint | (list<double>) double | (list<duration>) duration
.min (list<A>) A
.max (list<A>) A
.includes (list<A>,A) bool
.slice (list<A>,int,int) list<A>
.sort (list<A>) list<A>
.flatten (list<list<A>>) list<A> | (list<dyn>) list<dyn> | (list<dyn>,int) list<dyn>
.distinct (list<A>) list<A>
.reverse (list<A>) list<A>
.first (list<A>) optional<A>
.last (list<A>) optional<A>
.@sortByAssociatedKeys (list<A>,list<B>) list<A>
lists.range (int) list<int>
sets.contains (list<A>,list<A>) bool
sets.equivalent (list<A>,list<A>) bool
sets.intersects (list<A>,list<A>) bool
.find (string,string) string
.findAll (string,string) list<string> | (string,string,int) list<string>
url (string) URL
isURL (string) bool
.getScheme (URL) string
.getHost (URL) string
.getHostname (URL) string
.getPort (URL) string
.getEscapedPath (URL) string
.getQuery (URL) map<string,list<string>>
ip (string) IP
isIP (string) bool
ip.isCanonical (string) bool
.family (IP) int
.isUnspecified (IP) bool
.isLoopback (IP) bool
.isLinkLocalMulticast (IP) bool
.isLinkLocalUnicast (IP) bool
.isGlobalUnicast (IP) bool
cidr (string) CIDR
isCIDR (string) bool
.containsIP (CIDR,string) bool | (CIDR,IP) bool
.containsCIDR (CIDR,string) bool | (CIDR,CIDR) bool
.ip (CIDR) IP
.prefixLength (CIDR) int
.masked (CIDR) CIDR
quantity (string) Quantity
isQuantity (string) bool
.isInteger (Quantity) bool
.asInteger (Quantity) int
.asApproximateFloat (Quantity) double
.sign (Quantity) int
.add (Quantity,Quantity) Quantity | (Quantity,int) Quantity
.sub (Quantity,Quantity) Quantity | (Quantity,int) Quantity
.isGreaterThan (Quantity,Quantity) bool | (Semver,Semver) bool
.isLessThan (Quantity,Quantity) bool | (Semver,Semver) bool
.compareTo (Quantity,Quantity) int | (Semver,Semver) int
semver (string) Semver | (string,bool) Semver
isSemver (string) bool | (string,bool) bool
.major (Semver) int
.minor (Semver) int
.patch (Semver) int
format.named (string) optional<Format>
format.dns1123Label () Format
format.dns1123Subdomain () Format
format.dns1035Label () Format
format.qualifiedName () Format
format.dns1123LabelPrefix () Format
format.dns1123SubdomainPrefix () Format
format.dns1035LabelPrefix () Format
format.labelValue () Format
format.uri () Format
format.uuid () Format
format.byte () Format
format.date () Format
format.datetime () Format
.validate (Format,string) optional<list<string>>
.path (Authorizer,string) PathCheck
.group (Authorizer,string) GroupCheck
.serviceAccount (Authorizer,string,string) Authorizer
.resource (GroupCheck,string) ResourceCheck
.subresource (ResourceCheck,string) ResourceCheck
.namespace (ResourceCheck,string) ResourceCheck
.name (ResourceCheck,string) ResourceCheck
.fieldSelector (ResourceCheck,string) ResourceCheck
.labelSelector (ResourceCheck,string) ResourceCheck
.check (PathCheck,string) Decision | (ResourceCheck,string) Decision
.allowed (Decision) bool
.errored (Decision) bool
.error (Decision) string
.reason (Decision) string
";

type Table = HashMap<(&'static str, bool), Vec<Overload>>;

static OVERLOADS: LazyLock<Table> = LazyLock::new(|| {
    let mut table: Table = TABLE.lines().filter_map(line).collect();
    let numbers = ["int", "uint", "double"];
    let numbers = numbers.iter().flat_map(|a| numbers.map(|b| format!("({a},{b}) bool")));
    let others = ["bool", "string", "bytes", "duration", "timestamp"].map(|kind| format!("({kind},{kind}) bool"));
    let ordered: Vec<String> = numbers.chain(others).collect();
    for name in ["_<_", "_<=_", "_>_", "_>=_"] {
        table.insert((name, false), ordered.iter().filter_map(|text| overload(text)).collect());
    }
    table
});

/// The ways to call a function; nothing where there is none of that name.
pub(super) fn overloads(name: &str, method: bool) -> Option<&'static [Overload]> {
    // The key's text need not live as long as the table's.
    let table: &'static Table = &OVERLOADS;
    table.iter().find(|((known, kind), _)| *known == name && *kind == method).map(|(_, overloads)| overloads.as_slice())
}

fn line(line: &'static str) -> Option<((&'static str, bool), Vec<Overload>)> {
    let (name, rest) = line.split_once(' ')?;
    let (name, method) = name.strip_prefix('.').map_or((name, false), |name| (name, true));
    Some(((name, method), rest.split(" | ").filter_map(overload).collect()))
}

fn overload(text: &str) -> Option<Overload> {
    let (parameters, result) = text.strip_prefix('(')?.split_once(") ")?;
    let parameters = split(parameters).into_iter().filter(|part| !part.is_empty()).map(ty).collect();
    Some(Overload { parameters, result: ty(result.trim()) })
}

/// The parts between commas that stand in no brackets.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    let parts = text.split(move |character| {
        match character {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    });
    parts.collect()
}

fn ty(text: &str) -> Type {
    if let Some((name, inner)) = text.strip_suffix('>').and_then(|text| text.split_once('<')) {
        let mut inner = split(inner).into_iter().map(ty);
        let first = Arc::new(inner.next().unwrap_or(Type::Dyn));
        return match name {
            "list" => Type::List(first),
            "optional" => Type::Optional(first),
            _ => Type::Map(first, Arc::new(inner.next().unwrap_or(Type::Dyn))),
        };
    }
    match text {
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" => Type::Text,
        "bytes" => Type::Bytes,
        "duration" => Type::Duration,
        "timestamp" => Type::Timestamp,
        "type" => Type::Meta,
        "A" => Type::Param('A'),
        "B" => Type::Param('B'),
        "IP" => Type::Opaque("net.IP"),
        "CIDR" => Type::Opaque("net.CIDR"),
        "URL" => Type::Opaque("kubernetes.URL"),
        "Quantity" => Type::Opaque("kubernetes.Quantity"),
        "Semver" => Type::Opaque("kubernetes.Semver"),
        "Format" => Type::Opaque("kubernetes.NamedFormat"),
        "Authorizer" => Type::Opaque("kubernetes.authorization.Authorizer"),
        "PathCheck" => Type::Opaque("kubernetes.authorization.PathCheck"),
        "GroupCheck" => Type::Opaque("kubernetes.authorization.GroupCheck"),
        "ResourceCheck" => Type::Opaque("kubernetes.authorization.ResourceCheck"),
        "Decision" => Type::Opaque("kubernetes.authorization.Decision"),
        _ => Type::Dyn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_whole() {
        assert_eq!(OVERLOADS.len(), TABLE.lines().filter(|line| !line.is_empty()).count() + 4);
        let add = overloads("_+_", false).unwrap();
        assert_eq!(add.len(), 9);
        assert_eq!(add[5].result.to_string(), "list(A)");
        assert_eq!(overloads("getQuery", true).unwrap()[0].result.to_string(), "map(string, list(string))");
        assert_eq!(overloads("_<_", false).unwrap().len(), 14);
        assert!(overloads("nothing", true).is_none());
    }
}
