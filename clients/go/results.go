package stock

// Outcome is the answer of a command that decides something: one of the three is set.
type Outcome[T any] struct {
	Done    *T       // it is done now
	Exists  *Exists  // the same call was made before, and nothing was done twice
	Refused *Refusal // the pool said no: an answer to tell the buyer, not an error
}

// Result is the answer to one order of a batch, or its error.
type Result[T any] struct {
	Outcome Outcome[T]
	Err     error
}

// OK says whether it is done, by this call or by the same one before.
func (o Outcome[T]) OK() bool { return o.Refused == nil }

// Held says, after a reservation, whether the buyer may be asked for payment.
func (o Outcome[T]) Held() bool {
	return o.Done != nil || o.Exists != nil && o.Exists.State == "reserved"
}

// Exists tells where the order stands: reserved, confirmed, returned, released or expired; of a token of Add: added, of Transfer: transferred.
type Exists struct {
	Key, State         string
	Quantity, Returned int64
	DeadlineMs         int64
}

// Refusal has the status word and the pool that refused; the other fields where the word has them.
type Refusal struct {
	Word, Key string
	Available int64    // SOLDOUT: what is left
	State     string   // CLOSED: of the order
	FromMs    int64    // EARLY: when the sale begins
	UntilMs   int64    // ENDED: when it was over
	Limit     string   // LIMITED: such as user/day/units
	Value     []string // LIMITED
	Used, Max int64    // LIMITED
	ResetsMs  int64    // LIMITED: 0 is never
}

// Units of -1 are unlimited.
type (
	Held        struct{ Quantity, Available, DeadlineMs int64 }
	Confirmed   struct{ Quantity, Sold int64 }
	Changed     struct{ Quantity, Available int64 } // of Release and Amend
	Returned    struct{ Quantity, Available, Sold int64 }
	Parted      struct{ Quantity, Left, DeadlineMs int64 } // of Split: what went over, and what stays with the order
	Deadline    struct{ DeadlineMs int64 }                 // of Extend and of a cart
	Added       struct{ OnHand, Available int64 }
	Transferred struct{ OnHand, Available, ToOnHand, ToAvailable int64 }
	Reconciled  struct{ Drift, OnHand, Available int64 }
	Nothing     struct{}
)

// Pool is everything about a pool. OnHand is nil where it is unlimited, Events where it has no stream of its own.
type Pool struct {
	OnHand                                            *int64
	Reserved, Safety, Available, Shortfall, Sold, Out int64
	Orders                                            map[string]int64
	Suspended, Unlimited                              bool
	NextDeadlineMs                                    int64
	Epoch                                             string
	Seq, Limits, Alert                                int64
	FromMs, UntilMs                                   int64 // the sale window; 0 is none
	HoldSeconds, RetainSeconds, RetainPaidSeconds     int64
	Events                                            *string
	Returning                                         map[string]*int64 // of GetReturning, as Explanation has it
}

// Order tells where an order stands, and the attributes by which limits counted it or that the policy's "remember" names.
type Order struct {
	State                          string
	Quantity, Returned, DeadlineMs int64
	For                            map[string]string
}

// Orders is one page of a walk; Cursor is 0 at the end.
type Orders struct {
	Cursor string
	Orders []Listed
}

// Listed has Details where the walk asked for them.
type Listed struct {
	Order, State string
	Details      *Order
}

type Limit struct {
	Limit       string
	Max         int64
	TZ, Missing string
	Overrides   []Override
}

type Override struct {
	Value []string
	Max   int64
}

// Usage has Values where those were asked for that used most.
type Usage struct {
	Limit                          string
	Values                         []string
	Used, Max, Remaining, ResetsMs int64
}

// Explanation has the steps of a decision. Of a key that is not there Exists is false, and only Answer is set.
type Explanation struct {
	Exists, Suspended bool
	FromMs, UntilMs   int64    // the sale window; 0 is none
	Orders, MaxOrders int64    // that the pool remembers, and may remember
	Missing           []string // dimensions that limits want and the call lacks
	Stock             ExplainedStock
	Limits            []ExplainedLimit
	Answer            Result[Held]      // of Reserve
	Returning         map[string]*int64 // held units by deadline: within_1m, …, later; nil where there are too many to look at
}

// ExplainedStock has OnHand nil and Available -1 where it is unlimited.
type ExplainedStock struct {
	OnHand                  *int64
	Held, Safety, Available int64
}

// ExplainedLimit has the Verdict allows, refuses, nodim or skipped. Where a dimension is missing, it has no values and numbers.
type ExplainedLimit struct {
	Limit, Verdict                 string
	Missing, Values                []string
	Used, Max, Remaining, ResetsMs *int64
}
