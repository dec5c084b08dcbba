//! Costs as cel-go reckons them, with Kubernetes' estimator: written by a program of apiextensions-apiserver 0.37.2 for these rules.

use super::*;

/// A rule, what it may cost at most, and what it cost for the object.
const COSTS: [(&str, u64, u64); 56] = [
    ("self.i > 1 && self.n > 1.0 && self.n > 1 && self.s == 'hello' && self.b", 14, 14),
    ("self.list.all(x, x.startsWith('a') || x.size() > 1)", 83, 24),
    ("self.list.exists(x, x in ['bb', 'z']) && size(self.list) < 5", 177, 20),
    ("self.map.all(k, self.map[k] > 0 && k != '') && 'a' in self.map && self.map.a == 1", 100, 26),
    ("self.items.map(x, x.k).filter(k, k != 'a').size() > 0 && self.items[0].k.lowerAscii() == 'a'", 313, 57),
    ("has(self.s) ? self.s.matches('^h') : self.time > timestamp('2024-01-01T00:00:00Z')", 12, 4),
    ("type(self.port) == int ? self.port < 5 : self.port.endsWith('%')", 7, 7),
    ("self.?s.orValue('x') == 'hello' && self.map[?'a'].hasValue() && optional.of(1).value() == 1", 11, 10),
    ("self.list.transformList(i, v, string(i) + v).size() > 0", u64::MAX, 53),
    ("{'a': 1}.transformMap(k, v, v + 1).a == 2", 67, 9),
    ("self.time.getFullYear() > 2000", 4, 4),
    (
        "self.nums.sum() == 6 && self.nums.max() == 3 && self.nums.isSorted() == false && self.nums.indexOf(2) == 2",
        52,
        24,
    ),
    ("self.list.all(x, self.list.all(y, x == y || x != y))", 2363, 93),
    ("self.endless.all(x, self.endless.all(y, x == y || x != y))", 691_759_719_727_602_078, 45),
    ("self.s.contains('ell') && self.s.replace('l', 'L') == 'heLLo' && self.s.split('l').size() == 3", 49, 12),
    ("self.list.join('-') == 'a-bb-ccc' && self.s.substring(1, 3) == 'el'", 95, 9),
    ("quantity('1Gi').isGreaterThan(quantity('500Mi')) && isQuantity(self.s) == false", 14, 7),
    ("ip('10.0.0.1').family() == 4 && cidr('10.0.0.0/8').containsIP('10.1.2.3')", 9, 6),
    ("url('https://a.b/c').getHost() == 'a.b' && isURL(self.s) == false", 8, 8),
    ("semver('1.2.3').isLessThan(semver('1.3.0'))", 3, 3),
    ("self.nums.exists_one(x, x > 2)", 44, 12),
    ("self.nums.map(x, x > 1, x * 2) == [6, 4]", 184, 38),
    ("self.nums.filter(x, x > 1) == [3, 2]", 174, 36),
    ("self.set == ['y', 'x']", 13, 3),
    ("self.set + ['z'] == ['x', 'y', 'z']", 24, 4),
    ("self.obj == self.obj && self.items == self.items", 9, 10),
    ("self.long == self.long && self.en == 'abc'", 314_580, 12),
    ("has(self.obj.name) && self.obj.name != ''", 5, 5),
    ("self.items.exists(x, x.k == 'b' && x.v == 2)", 93, 20),
    ("sets.contains(self.nums, [1]) && sets.intersects([1], [2]) == false", 46, 9),
    (
        "self.nums.sort() == [1, 2, 3] && self.nums.slice(0, 2) == [3, 1] && [[1], [2]].flatten() == [1, 2] && [1, 1].distinct() == [1]",
        344,
        82,
    ),
    ("self.items.sortBy(x, x.v)[0].k == 'a'", 379, 56),
    ("lists.range(3) == [0, 1, 2]", 25, 15),
    ("self.s.find('[a-z]+') == 'hello' && self.s.findAll('l').size() == 2", 34, 10),
    ("self.raw == b'hi' && self.span == duration('90m') && self.date < self.time", 12, 11),
    ("self.a__dash__b == 'dash'", 3, 3),
    ("self.list.all(x, y, true)", 33, 12),
    ("self.list.includes('a')", 92, 2),
    ("self.nums.reverse() == [2, 1, 3]", 34, 17),
    ("self.list.first().hasValue()", 4, 4),
    ("strings.quote(self.s) == '\"hello\"'", 11, 4),
    ("'%d-%s'.format([1, self.s]) == '1-hello'", 14, 14),
    ("dyn(self.i) == dyn(self.s)", 6, 7),
    ("self == self", 2, 4),
    ("self.obj.?name.orValue('x') == 'n'", 5, 4),
    ("self.nums.all(i, v, i < 3 && v > 0)", 73, 24),
    ("optional.none().orValue(1) == 1", 3, 2),
    ("optional.of(2).optMap(x, x * 2).value() == 4", 19, 9),
    ("size(self.s) + size(self.list) + size(self.map) + size(b'abc') == 13", 14, 14),
    ("self.time + duration('1h') > self.time && self.time - self.date == duration('12h30m')", 14, 12),
    ("string(self.time) == '2024-02-29T12:30:00Z' && string(self.span) == '5400s' && string(1.5) == '1.5'", 11, 10),
    (
        "-self.i == -5 && !self.b == false && self.i % 2 == 1 && self.i / 2 == 2 && self.i * 2 == 10 && self.i - 1 == 4",
        24,
        24,
    ),
    ("google.protobuf.Timestamp == type(self.time)", 4, 4),
    ("self.s.lowerAscii().upperAscii().trim() == 'HELLO'", 27, 6),
    ("self.list.min() == 'a' && self.list.max() == 'ccc'", 186, 6),
    ("isIP(self.s) || isCIDR(self.s) || isSemver(self.s) || ip.isCanonical('10.0.0.1')", 32, 11),
];

#[test]
fn costs_are_those_of_cel_go() {
    let properties: Value = serde_json::from_str(PROPERTIES).unwrap();
    let object: Value = serde_json::from_str(OBJECT).unwrap();
    let schema: Schema = serde_json::from_value(json!({"type": "object", "properties": properties})).unwrap();
    let decl = types::Decl::of(&schema, true).unwrap();
    let mut others = Vec::new();
    for (rule, most, spent) in COSTS {
        let ours = admission::compile(rule, &decl, false).1.map(|known| known.cost.max);
        let written = crate::schema::ValidationRule { rule: rule.to_owned(), ..Default::default() };
        let part = rule::Part { schema: &schema, resource: true, new: &object, old: None };
        let left = Rule::new(&written, &schema)
            .unwrap()
            .judge(part, &Path::ROOT, OBJECT_BUDGET)
            .and_then(|verdict| verdict.left);
        let paid = left.map(|left| OBJECT_BUDGET - left);
        if ours != Ok(most) || paid != Some(spent) {
            others.push(format!("{rule}: {ours:?} for {most}, {paid:?} for {spent}"));
        }
    }
    assert_eq!(others, Vec::<String>::new(), "{others:#?}");
}

const PROPERTIES: &str = r#"{"i": {"type": "integer"}, "n": {"type": "number"}, "s": {"type": "string", "maxLength": 20}, "long": {"type": "string"}, "b": {"type": "boolean"}, "time": {"type": "string", "format": "date-time"}, "date": {"type": "string", "format": "date"}, "span": {"type": "string", "format": "duration"}, "raw": {"type": "string", "format": "byte", "maxLength": 10}, "port": {"x-kubernetes-int-or-string": true}, "list": {"type": "array", "maxItems": 10, "items": {"type": "string", "maxLength": 20}}, "nums": {"type": "array", "maxItems": 10, "items": {"type": "integer"}}, "endless": {"type": "array", "items": {"type": "string"}}, "set": {"type": "array", "maxItems": 5, "x-kubernetes-list-type": "set", "items": {"type": "string", "maxLength": 5}}, "map": {"type": "object", "maxProperties": 10, "additionalProperties": {"type": "integer"}}, "items": {"type": "array", "maxItems": 10, "items": {"type": "object", "properties": {"k": {"type": "string", "maxLength": 5}, "v": {"type": "integer"}}}}, "en": {"type": "string", "enum": ["abc", "defgh"]}, "nul": {"type": "string", "nullable": true}, "obj": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}, "a-b": {"type": "string"}}"#;

const OBJECT: &str = r#"{"i": 5, "n": 2.5, "s": "hello", "long": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "b": true, "time": "2024-02-29T12:30:00Z", "date": "2024-02-29", "span": "1h30m", "raw": "aGk=", "port": "80%", "list": ["a", "bb", "ccc"], "nums": [3, 1, 2], "endless": ["a", "b"], "set": ["x", "y"], "map": {"a": 1, "b": 2}, "items": [{"k": "a", "v": 1}, {"k": "b", "v": 2}], "en": "abc", "nul": null, "obj": {"name": "n"}, "a-b": "dash"}"#;
