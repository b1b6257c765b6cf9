//! A cache that all threads share (floor 3): bounded, and what two want at the same time is made once.

use crate::id::Id;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Values by the id of what they were made of.
#[derive(Debug)]
pub struct Shared<V: ?Sized> {
    state: Mutex<State<V>>,
    made: Condvar,
    room: usize,
}

#[derive(Debug)]
struct State<V: ?Sized> {
    values: HashMap<Id, Kept<V>>,
    /// By when they were last asked for.
    ages: BTreeMap<u64, Id>,
    /// What somebody is making.
    coming: HashSet<Id>,
    next: u64,
    used: usize,
}

#[derive(Debug)]
struct Kept<V: ?Sized> {
    value: Arc<V>,
    weight: usize,
    age: u64,
}

impl<V: ?Sized> Shared<V> {
    /// With room for so many bytes.
    pub fn new(room: usize) -> Self {
        let (values, ages, coming) = (HashMap::new(), BTreeMap::new(), HashSet::new());
        Self { state: Mutex::new(State { values, ages, coming, next: 0, used: 0 }), made: Condvar::new(), room }
    }

    fn state(&self) -> MutexGuard<'_, State<V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A value, if it is there.
    pub fn get(&self, id: &Id) -> Option<Arc<V>> {
        self.state().touch(id)
    }

    /// A value, made if it is not there: with what it weighs in bytes. Who comes while it is being made waits for it; if that fails, makes it.
    pub fn get_or<E>(&self, id: &Id, make: impl FnOnce() -> Result<(Arc<V>, usize), E>) -> Result<Arc<V>, E> {
        let mut state = self.state();
        loop {
            if let Some(value) = state.touch(id) {
                return Ok(value);
            }
            if state.coming.insert(*id) {
                break;
            }
            state = self.made.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        let _announced = Coming { cache: self, id };
        let (value, weight) = make()?;
        self.state().keep(*id, Arc::clone(&value), weight, self.room);
        Ok(value)
    }
}

/// Somebody makes a value: however that ends, those who wait are woken.
struct Coming<'c, V: ?Sized> {
    cache: &'c Shared<V>,
    id: &'c Id,
}

impl<V: ?Sized> Drop for Coming<'_, V> {
    fn drop(&mut self) {
        self.cache.state().coming.remove(self.id);
        self.cache.made.notify_all();
    }
}

impl<V: ?Sized> State<V> {
    fn touch(&mut self, id: &Id) -> Option<Arc<V>> {
        let kept = self.values.get_mut(id)?;
        self.ages.remove(&kept.age);
        kept.age = self.next;
        self.ages.insert(self.next, *id);
        self.next = self.next.saturating_add(1);
        Some(Arc::clone(&kept.value))
    }

    fn keep(&mut self, id: Id, value: Arc<V>, weight: usize, room: usize) {
        let age = self.next;
        self.next = self.next.saturating_add(1);
        if let Some(old) = self.values.insert(id, Kept { value, weight, age }) {
            self.ages.remove(&old.age);
            self.used = self.used.saturating_sub(old.weight);
        }
        self.ages.insert(age, id);
        self.used = self.used.saturating_add(weight);
        // What was asked for last stays, however much it weighs.
        while self.used > room && self.ages.len() > 1 {
            let Some((_, oldest)) = self.ages.pop_first() else { break };
            let gone = self.values.remove(&oldest);
            self.used = self.used.saturating_sub(gone.map_or(0, |kept| kept.weight));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Shared;
    use crate::id::Id;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn id(n: u8) -> Id {
        Id::of(&[n])
    }

    fn put(cache: &Shared<u8>, n: u8, weight: usize) -> Arc<u8> {
        cache.get_or(&id(n), || Ok::<_, ()>((Arc::new(n), weight))).unwrap()
    }

    #[test]
    fn what_was_not_asked_for_longest_goes_first() {
        let cache = Shared::new(10);
        (0..5).for_each(|n| assert_eq!(*put(&cache, n, 2), n));
        assert!(cache.get(&id(0)).is_some());
        put(&cache, 5, 2);
        assert!(cache.get(&id(1)).is_none() && cache.get(&id(0)).is_some());
        // One that is larger than all of it stays until the next.
        put(&cache, 6, 100);
        assert!(cache.get(&id(6)).is_some() && cache.get(&id(0)).is_none());
        put(&cache, 7, 1);
        assert!(cache.get(&id(6)).is_none());
        assert_eq!(cache.state().used, 1);
    }

    #[test]
    fn what_fails_is_tried_again() {
        let cache = Shared::<u8>::new(10);
        assert_eq!(cache.get_or(&id(1), || Err::<(Arc<u8>, usize), _>(7)), Err(7));
        assert_eq!(*put(&cache, 1, 1), 1);
    }

    #[test]
    fn what_many_want_is_made_once() {
        let (cache, made) = (Shared::new(10), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let value = cache.get_or(&id(1), || {
                        std::thread::sleep(std::time::Duration::from_millis(20));
                        Ok::<_, ()>((Arc::new(made.fetch_add(1, Ordering::Relaxed)), 1))
                    });
                    assert_eq!(value.map(|value| *value), Ok(0));
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
    }
}
