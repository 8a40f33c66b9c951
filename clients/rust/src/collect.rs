//! Many calls of an application in one call of the server.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::answers::{Confirmed, Held, Outcome};
use crate::calls::{confirm, confirm_batch, reserve, reserve_batch, Attributes, BatchOrder, Call, Confirm, Hold};
use crate::error::Error;
use crate::stock::Stock;
use crate::text::Text;

/// How many orders the server takes in one call.
const MOST_ORDERS: usize = 128;

type Answer<T> = Result<Outcome<T>, Error>;

/// Makes one call of what many tasks ask for within a moment: one for each pool, hold and set of
/// dimensions. Each gets the answer of its own order. That costs a buyer the wait, and spares the
/// server most of a call's cost. A clone is cheap, and collects into the same batches. It needs a
/// tokio runtime.
#[derive(Clone)]
pub struct Collector {
    stock: Stock,
    most: usize,
    wait: Duration,
    reserves: Arc<Gather<Reserves>>,
    confirms: Arc<Gather<Confirms>>,
}

impl Collector {
    /// A batch is sent when it has so many orders (1 to 128), or so long after its first; 64 and a
    /// millisecond are good.
    pub fn new(stock: Stock, most: usize, wait: Duration) -> Collector {
        let most = most.clamp(1, MOST_ORDERS);
        Collector { stock, most, wait, reserves: Arc::default(), confirms: Arc::default() }
    }

    /// As [`reserve`]. The batch is sent also where the caller goes away first.
    ///
    /// # Errors
    /// Those of this order's call.
    pub async fn reserve(
        &self,
        key: impl AsRef<[u8]>,
        order: impl AsRef<[u8]>,
        quantity: i64,
        hold: Hold,
        attributes: Attributes,
    ) -> Answer<Held> {
        let (dims, values) = attributes.sorted().into_iter().unzip();
        let group = Reserves { key: Text(key.as_ref().to_vec()), hold, dims };
        self.join(&self.reserves, group, (Text(order.as_ref().to_vec()), quantity, values)).await
    }

    /// As [`confirm`] without options.
    ///
    /// # Errors
    /// Those of this order's call.
    pub async fn confirm(&self, key: impl AsRef<[u8]>, order: impl AsRef<[u8]>) -> Answer<Confirmed> {
        let group = Confirms { key: Text(key.as_ref().to_vec()) };
        self.join(&self.confirms, group, Text(order.as_ref().to_vec())).await
    }

    async fn join<G: Group>(&self, gather: &Arc<Gather<G>>, group: G, order: G::Order) -> Answer<G::Done> {
        let (answer, answered) = oneshot::channel();
        if let Some(full) = self.add(gather, &group, order, answer) {
            let stock = self.stock.clone();
            tokio::spawn(async move { full.send(&stock, &group).await });
        }
        answered.await.unwrap_or_else(|_| Err(Error::unknown_answer("the runtime has ended")))
    }

    /// Puts an order into the batch of its group. The batch, where it is full now and nobody else
    /// will send it.
    fn add<G: Group>(
        &self,
        gather: &Arc<Gather<G>>,
        group: &G,
        order: G::Order,
        answer: oneshot::Sender<Answer<G::Done>>,
    ) -> Option<Batch<G>> {
        let mut open = gather.lock();
        let batch = open.entry(group.clone()).or_insert_with(|| self.begin(gather, group));
        batch.orders.push(order);
        batch.waiting.push(answer);
        if batch.orders.len() < self.most {
            return None;
        }
        let mut batch = open.remove(group)?;
        let full = batch.full.take()?;
        // Its own task sends it, unless its time was over just now.
        full.send(batch).err()
    }

    /// A batch, and the task that sends it when it is full or the time is over. Whoever began it
    /// may go away.
    fn begin<G: Group>(&self, gather: &Arc<Gather<G>>, group: &G) -> Batch<G> {
        let (full, mut is_full) = oneshot::channel::<Batch<G>>();
        let (stock, wait, gather, group) = (self.stock.clone(), self.wait, Arc::clone(gather), group.clone());
        tokio::spawn(async move {
            let batch = match tokio::time::timeout(wait, &mut is_full).await {
                Ok(full) => full.ok(),
                Err(_) => {
                    // Whoever fills it from now on sends it; it may have come at the last moment.
                    is_full.close();
                    is_full.try_recv().ok()
                }
            };
            if let Some(batch) = batch.or_else(|| gather.lock().remove(&group)) {
                batch.send(&stock, &group).await;
            }
        });
        Batch { orders: Vec::new(), waiting: Vec::new(), full: Some(full) }
    }
}

/// What the orders of a batch have in common.
trait Group: Clone + Eq + Hash + Send + Sync + 'static {
    type Order: Send + Sync;
    type Done: Send + 'static;
    fn together(&self, orders: &[Self::Order]) -> Call<Vec<Answer<Self::Done>>>;
    fn alone(&self, order: &Self::Order) -> Call<Outcome<Self::Done>>;
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Reserves {
    key: Text,
    hold: Hold,
    dims: Vec<Text>,
}

impl Group for Reserves {
    type Order = BatchOrder;
    type Done = Held;

    fn together(&self, orders: &[BatchOrder]) -> Call<Vec<Answer<Held>>> {
        reserve_batch(&self.key, self.hold, &self.dims, orders)
    }

    fn alone(&self, (order, quantity, values): &BatchOrder) -> Call<Outcome<Held>> {
        let pairs = self.dims.iter().zip(values);
        let attributes = pairs.fold(Attributes::none(), |all, (name, value)| all.and(&**name, &**value));
        reserve(&self.key, order, *quantity, self.hold, attributes)
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Confirms {
    key: Text,
}

impl Group for Confirms {
    type Order = Text;
    type Done = Confirmed;

    fn together(&self, orders: &[Text]) -> Call<Vec<Answer<Confirmed>>> {
        confirm_batch(&self.key, orders)
    }

    fn alone(&self, order: &Text) -> Call<Outcome<Confirmed>> {
        confirm(&self.key, order, Confirm::default())
    }
}

struct Batch<G: Group> {
    orders: Vec<G::Order>,
    waiting: Vec<oneshot::Sender<Answer<G::Done>>>,
    /// Hands it to its task before the time is over.
    full: Option<oneshot::Sender<Batch<G>>>,
}

impl<G: Group> Batch<G> {
    async fn send(self, stock: &Stock, group: &G) {
        let answers = match stock.call(group.together(&self.orders)).await {
            Ok(answers) => answers,
            // One order has arguments that the server refuses, and with it the whole call: it must
            // not harm the others.
            Err(error) if error.code.as_deref() == Some("ERR") => {
                stock.pipeline(self.orders.iter().map(|order| group.alone(order))).await
            }
            Err(error) => self.orders.iter().map(|_| Err(error.clone())).collect(),
        };
        for (waiting, answer) in self.waiting.into_iter().zip(answers) {
            // Whoever asked may have gone away.
            let _ = waiting.send(answer);
        }
    }
}

/// The batches that are not sent yet.
struct Gather<G: Group>(Mutex<HashMap<G, Batch<G>>>);

impl<G: Group> Default for Gather<G> {
    fn default() -> Self {
        Gather(Mutex::default())
    }
}

impl<G: Group> Gather<G> {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<G, Batch<G>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
