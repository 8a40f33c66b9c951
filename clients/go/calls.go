package stock

import (
	"slices"
	"strconv"
	"time"
)

// Call is ready to be sent, by Do or in a Pipeline.
type Call[T any] struct {
	words  Words
	decode func(any) (T, error)
}

// Words are what a call sends. For adapters.
type Words struct {
	Words []string // the command and its arguments
	KeyAt int      // where the first key stands: it decides about the slot
	Read  bool     // a replica may answer
}

// AnyCall is a Call of any result.
type AnyCall interface {
	Words() Words
	decodeAny(any) (any, error)
}

func (c Call[T]) Words() Words                      { return c.words }
func (c Call[T]) decodeAny(answer any) (any, error) { return c.decode(answer) }

// Hold is how long units are held; the zero value leaves it to the pool.
type Hold struct {
	Option string
	Value  int64
}

func For(d time.Duration) Hold   { return Hold{"PX", d.Milliseconds()} }
func Until(t time.Time) Hold     { return Hold{"PXAT", t.UnixMilli()} }
func Seconds(seconds int64) Hold { return Hold{"EX", seconds} }

// Attribute of a sale, which limits count by.
type Attribute struct{ Name, Value string }

// Line of a cart.
type Line struct {
	Key      string
	Quantity int64
}

// ConfirmOptions: SinceMs and For need Late.
type ConfirmOptions struct {
	Quantity int64
	Late     bool
	SinceMs  int64
	For      []Attribute
}

// ReserveOptions: Partial takes the largest quantity, at least 1, that stock and limits allow. Replaces is an order whose hold is given up
// in the same step; it is kept where this one is refused.
type ReserveOptions struct {
	Partial  bool
	Replaces string
}

// ReturnOptions: without a Token all that is left. With Late and For, who had bought a forgotten order gets its usage back.
type ReturnOptions struct {
	Quantity             int64
	Token                string
	Late                 bool
	KeepUsage, NoRestock bool
	For                  []Attribute
}

// LimitOptions: empty fields are left out; Values name one override. Rolling is the last Per seconds, whenever one looks.
type LimitOptions struct {
	Per, TZ, Count, Missing string
	Rolling                 bool
	Note                    string
	Values                  []string
}

// WalkOptions: empty fields are left out. For are attributes of a buyer, as far as limits or the policy's "remember" name them.
type WalkOptions struct {
	State   string
	Details bool
	Most    int64
	For     []Attribute
}

// After is the last event that the database has followed.
type After struct {
	Epoch    string
	Seq, Out int64
}

// Unlimited in place of a number of units.
const Unlimited = int64(-1) << 63

func amount(n int64) string {
	if n == Unlimited {
		return "UNLIMITED"
	}
	return strconv.FormatInt(n, 10)
}

func on(command, key string) *Words {
	w := &Words{Words: make([]string, 0, 12), KeyAt: 1}
	w.Words = append(w.Words, "STOCK."+command, key)
	return w
}

func cart(command, order string, keys ...string) *Words {
	w := &Words{Words: make([]string, 0, 8+2*len(keys)), KeyAt: 3}
	w.Words = append(append(w.Words, "STOCK."+command, order, strconv.Itoa(len(keys))), keys...)
	return w
}

func (w *Words) add(words ...string) *Words {
	w.Words = append(w.Words, words...)
	return w
}

func (w *Words) number(n int64) *Words { return w.add(strconv.FormatInt(n, 10)) }

func (w *Words) option(name, value string) *Words {
	if value == "" {
		return w
	}
	return w.add(name, value)
}

func (w *Words) optional(name string, n int64) *Words {
	if n == 0 {
		return w
	}
	return w.add(name).number(n)
}

func (w *Words) bound(name string, atMs int64) *Words {
	if atMs == -1 {
		return w.add(name, "NONE")
	}
	return w.optional(name, atMs)
}

func (w *Words) flag(name string, set bool) *Words {
	if !set {
		return w
	}
	return w.add(name)
}

// note is published with the change, in the pool's event stream, and kept nowhere else.
func (w *Words) note(note []string) *Words {
	if len(note) == 0 {
		return w
	}
	return w.option("NOTE", note[0])
}

func (w *Words) hold(h Hold) *Words { return w.optional(h.Option, h.Value) }

func (w *Words) attributes(attributes []Attribute) *Words {
	for i, one := range attributes {
		w.flag("FOR", i == 0).add(one.Name, one.Value)
	}
	return w
}

func (w *Words) values(values []string) *Words {
	if len(values) == 0 {
		return w
	}
	return w.add("FOR").add(values...)
}

func (w *Words) read() *Words {
	w.Read = true
	return w
}

func of[T any](w *Words, decode func(any) (T, error)) Call[T] { return Call[T]{*w, decode} }

// Reserve holds units for an order until the deadline, if stock and every limit allow it.
func Reserve(key, order string, quantity int64, hold Hold, attributes ...Attribute) Call[Outcome[Held]] {
	return of(on("RESERVE", key).add(order).number(quantity).hold(hold).attributes(attributes), held)
}

// ReserveWith is Reserve with options.
func ReserveWith(o ReserveOptions, key, order string, quantity int64, hold Hold, attributes ...Attribute) Call[Outcome[Held]] {
	w := on("RESERVE", key).add(order).number(quantity).hold(hold).flag("PARTIAL", o.Partial).option("REPLACES", o.Replaces)
	return of(w.attributes(attributes), held)
}

// Confirm turns a hold into a sale.
func Confirm(key, order string, o ConfirmOptions) Call[Outcome[Confirmed]] {
	return of(on("CONFIRM", key).add(order).optional("QTY", o.Quantity).flag("LATE", o.Late).optional("SINCE", o.SinceMs).attributes(o.For), confirmed)
}

// BatchOrder is one order of ReserveBatch, with a value for each of its dimensions.
type BatchOrder struct {
	Order    string
	Quantity int64
	Values   []string
}

// ReserveBatch holds units of one pool for up to 128 orders, each judged as by a Reserve of its own. All have the same dimensions.
func ReserveBatch(key string, hold Hold, dims []string, orders []BatchOrder) Call[[]Result[Held]] {
	w := on("RESERVEBATCH", key).hold(hold)
	if len(dims) > 0 {
		w.add("DIMS", strconv.Itoa(len(dims))).add(dims...)
	}
	w.add("ORDERS", strconv.Itoa(len(orders)))
	for _, one := range orders {
		w.add(one.Order).number(one.Quantity).add(one.Values...)
	}
	return of(w, batch(held))
}

// ConfirmBatch turns up to 128 holds of one pool into sales, each judged as by a Confirm of its own.
func ConfirmBatch(key string, orders []string) Call[[]Result[Confirmed]] {
	return of(on("CONFIRMBATCH", key).add("ORDERS", strconv.Itoa(len(orders))).add(orders...), batch(confirmed))
}

// Release gives a hold up; of an order that never arrived, too.
func Release(key, order string) Call[Outcome[Changed]] {
	return of(on("RELEASE", key).add(order), changed)
}

// Amend sets the hold's new total.
func Amend(key, order string, quantity int64) Call[Outcome[Changed]] {
	return of(on("AMEND", key).add(order).number(quantity), changed)
}

// Split makes some units of a hold an order of their own, with the same deadline.
func Split(key, order, part string, quantity int64) Call[Outcome[Parted]] {
	return of(on("SPLIT", key).add(order, part).number(quantity), parted)
}

// Extend moves the deadline, never to an earlier time.
func Extend(key, order string, hold Hold) Call[Outcome[Deadline]] {
	return of(on("EXTEND", key).add(order).hold(hold), deadline)
}

// Return takes paid units back.
func Return(key, order string, o ReturnOptions) Call[Outcome[Returned]] {
	w := on("RETURN", key).add(order)
	if o.Token != "" {
		w.add("QTY").number(o.Quantity).add("TOKEN", o.Token).flag("LATE", o.Late)
	}
	return of(w.flag("KEEPUSAGE", o.KeepUsage).flag("NORESTOCK", o.NoRestock).attributes(o.For), returned)
}

// cartLines are the keys of a cart, and behind QTY their quantities.
func cartLines(command, order string, lines []Line) *Words {
	keys := make([]string, len(lines))
	for i, line := range lines {
		keys[i] = line.Key
	}
	w := cart(command, order, keys...).add("QTY")
	for _, line := range lines {
		w.number(line.Quantity)
	}
	return w
}

// ReserveCart holds all lines or none. In a cluster their keys share a hash tag.
func ReserveCart(order string, lines []Line, hold Hold, attributes ...Attribute) Call[Outcome[Deadline]] {
	return ReplaceCart("", order, lines, hold, attributes...)
}

// ReplaceCart is ReserveCart, and gives up in the same step what the cart old holds in these pools; a pool in which only old has units
// stands with quantity 0.
func ReplaceCart(old, order string, lines []Line, hold Hold, attributes ...Attribute) Call[Outcome[Deadline]] {
	return of(cartLines("MRESERVE", order, lines).hold(hold).option("REPLACES", old).attributes(attributes), deadline)
}

// ConfirmCartInPart sells what stands in the lines, and releases the rest.
func ConfirmCartInPart(order string, lines []Line, late bool) Call[Outcome[Nothing]] {
	return of(cartLines("MCONFIRM", order, lines).flag("LATE", late), done)
}

// SplitCart makes the lines an order of their own, in all pools or in none.
func SplitCart(order, part string, lines []Line) Call[Outcome[Nothing]] {
	w := cartLines("MSPLIT", order, lines)
	w.Words = slices.Insert(w.Words, 2, part)
	w.KeyAt++
	return of(w, done)
}

func ConfirmCart(order string, keys []string, late bool) Call[Outcome[Nothing]] {
	return of(cart("MCONFIRM", order, keys...).flag("LATE", late), done)
}

func ReleaseCart(order string, keys []string) Call[Outcome[Nothing]] {
	return of(cart("MRELEASE", order, keys...), done)
}

func ExtendCart(order string, keys []string, hold Hold) Call[Outcome[Nothing]] {
	return of(cart("MEXTEND", order, keys...).hold(hold), done)
}

func ReturnCart(order string, keys []string, keepUsage, noRestock bool) Call[Outcome[Nothing]] {
	return of(cart("MRETURN", order, keys...).flag("KEEPUSAGE", keepUsage).flag("NORESTOCK", noRestock), done)
}

// A note, where a change takes one, says who and why. It is published with the change, and kept nowhere else.

// Set makes the pool, or corrects what is on hand: with onlyIf "NX" once, before the sale; without, in a quiet moment. Whether it wrote.
func Set(key string, onHand int64, onlyIf string, note ...string) Call[bool] {
	return of(on("SET", key).add(amount(onHand)).flag(onlyIf, onlyIf != "").note(note), written)
}

// Create makes the pool together with its policy, which is its own from its first moment on. A pool that exists stays as it is.
// Whether it wrote; after a lost answer that may have been the call's own doing.
func Create(key string, onHand int64, policy string, note ...string) Call[bool] {
	return of(on("SET", key).add(amount(onHand), "NX", "POLICY", policy).note(note), written)
}

// Add is a restock, or a write-off. The token, such as the delivery's number, makes it repeatable.
func Add(key string, delta int64, token string, note ...string) Call[Outcome[Added]] {
	return of(on("ADD", key).number(delta).add("TOKEN", token).note(note), added)
}

// Transfer moves free units to another pool of the same slot. The token, such as the movement's number, makes it repeatable.
func Transfer(from, to string, quantity int64, token string, note ...string) Call[Outcome[Transferred]] {
	return of(on("TRANSFER", from).add(to).number(quantity).add("TOKEN", token).note(note), transferred)
}

// Reconcile corrects what is on hand by what the database says; without after, in a quiet moment.
func Reconcile(key string, onHand int64, after *After, dryRun bool, note ...string) Call[Outcome[Reconciled]] {
	w := on("RECONCILE", key).number(onHand)
	if after != nil {
		w.add("AFTER", after.Epoch).number(after.Seq).number(after.Out)
	}
	return of(w.flag("DRYRUN", dryRun).note(note), reconciled)
}

func Suspend(key string, note ...string) Call[Outcome[Nothing]] {
	return of(on("SUSPEND", key).note(note), done)
}

func Resume(key string, note ...string) Call[Outcome[Nothing]] {
	return of(on("RESUME", key).note(note), done)
}

// SetPolicy replaces the whole policy.
func SetPolicy(key, json string, note ...string) Call[Outcome[Nothing]] {
	return of(on("SETPOLICY", key).add(json).note(note), done)
}

// MergePolicy changes what a JSON merge patch names, and leaves the rest.
func MergePolicy(key, patch string, note ...string) Call[Outcome[Nothing]] {
	return of(on("SETPOLICY", key).add(patch, "MERGE").note(note), done)
}

// Schedule sets from when and until when the pool sells, in Unix ms; 0 leaves a bound, -1 removes it.
func Schedule(key string, fromMs, untilMs int64, note ...string) Call[Outcome[Nothing]] {
	return of(on("SCHEDULE", key).bound("FROM", fromMs).bound("UNTIL", untilMs).note(note), done)
}

// Sweep returns due holds now; most 0 is 1,000.
func Sweep(key string, most int64) Call[Outcome[int64]] {
	return of(on("SWEEP", key).optional("COUNT", most), count)
}

func SetLimit(key, by string, max int64, o LimitOptions) Call[Outcome[Nothing]] {
	return of(on("LIMIT", key).add(by, amount(max)).option("PER", o.Per).flag("ROLLING", o.Rolling).option("TZ", o.TZ).
		option("COUNT", o.Count).option("MISSING", o.Missing).option("NOTE", o.Note).values(o.Values), done)
}

func Unlimit(key, by string, o LimitOptions) Call[Outcome[int64]] {
	return of(on("UNLIMIT", key).add(by).option("PER", o.Per).flag("ROLLING", o.Rolling).option("COUNT", o.Count).
		option("NOTE", o.Note).values(o.Values), count)
}

// Reads answer nil for a pool, or an order, that is not there.

func GetLimits(key string) Call[[]Limit] { return of(on("LIMITS", key).read(), limits) }

func GetUsage(key string, attributes ...Attribute) Call[[]Usage] {
	return of(on("USAGE", key).attributes(attributes).read(), usage)
}

// GetTopUsage is what the so many values have counted that used most of each limit; attributes name those that must fit.
func GetTopUsage(key string, top int64, attributes ...Attribute) Call[[]Usage] {
	return of(on("USAGE", key).add("TOP").number(top).attributes(attributes).read(), usage)
}

func Get(key string) Call[*Pool] { return of(on("GET", key).read(), pool) }

// GetReturning is Get, and when held units come back if nobody pays.
func GetReturning(key string) Call[*Pool] { return of(on("GET", key).add("RETURNING").read(), pool) }

func Available(keys ...string) Call[[]*int64] {
	w := &Words{Words: append([]string{"STOCK.AVAILABLE"}, keys...), KeyAt: 1}
	return of(w.read(), available)
}

func Check(key string, quantity int64, attributes ...Attribute) Call[Outcome[Held]] {
	return of(on("CHECK", key).number(quantity).attributes(attributes).read(), held)
}

// Explain tells why Reserve of a new order would be answered as it would, step by step; quantity 0 is one unit.
func Explain(key string, quantity int64, attributes ...Attribute) Call[*Explanation] {
	w := on("EXPLAIN", key)
	if quantity != 0 {
		w.number(quantity)
	}
	return of(w.attributes(attributes).read(), explained)
}

func GetOrder(key, id string) Call[*Order] { return of(on("ORDER", key).add(id).read(), order) }

// WalkOrders gives one page; the walk begins at cursor "0".
func WalkOrders(key, cursor string, o WalkOptions) Call[*Orders] {
	w := on("ORDERS", key).add(cursor).option("STATE", o.State).flag("DETAILS", o.Details).optional("COUNT", o.Most)
	return of(w.attributes(o.For).read(), orders)
}

func Policy(key string) Call[*string]  { return of(on("POLICY", key).read(), textOrNil) }
func Verify(key string) Call[[]string] { return of(on("VERIFY", key).read(), verified) }
