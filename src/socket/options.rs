//! zmq_setsockopt(3) and zmq_getsockopt(3): the table checks and stores, the socket does what is live.

use super::Socket;
use crate::constants::*;
use crate::error::{Error, Result};
use crate::options::{Opt, ROWS, Reading, Setting, Value};
use crate::pattern;

impl Socket {
    /// Sets an option; `None` is a NULL value.
    pub(crate) fn set_option(&mut self, number: i32, value: Option<&[u8]>) -> Result<()> {
        self.check()?;
        match self.options.set(number, value)? {
            Setting::Stored(opt) => {
                if matches!(opt, Opt::SndHwm | Opt::RcvHwm) {
                    self.set_limits();
                }
                if opt == Opt::RouterRaw {
                    self.set_raw()?;
                }
                self.pipes.leave_short_ways();
                self.pattern.option_changed(opt, &self.options);
            }
            Setting::Live(Opt::Subscribe) => self.pattern.subscribe(&mut self.pipes, value.unwrap_or_default())?,
            Setting::Live(Opt::Unsubscribe) => self.pattern.unsubscribe(&mut self.pipes, value.unwrap_or_default())?,
            Setting::Live(_) => return Err(Error::Invalid),
        }
        self.changed_by_call();
        Ok(())
    }

    /// Reads an option.
    pub(crate) fn option(&mut self, number: i32) -> Result<Value> {
        // As on libzmq the descriptor can be had after the end: it is readable then.
        if number != ZMQ_FD {
            self.check()?;
        }
        match self.options.get(number)? {
            Reading::Value(value) => Ok(value),
            Reading::Live(Opt::RcvMore) => Ok(Value::State(i32::from(self.receiving_more))),
            Reading::Live(Opt::Events) => self.report_events().map(Value::State),
            Reading::Live(Opt::Fd) => self.descriptor().map(Value::State),
            Reading::Live(Opt::TopicsCount) => {
                let topics = self.pattern.topics().ok_or(Error::Invalid)?;
                Ok(Value::State(i32::try_from(topics).unwrap_or(i32::MAX)))
            }
            Reading::Live(Opt::LastEndpoint) => Ok(Value::Text(self.endpoints.last.clone().into())),
            Reading::Live(_) => Err(Error::Invalid),
        }
    }

    /// ZMQ_ROUTER_RAW makes another pattern of a ROUTER, for peers to come.
    fn set_raw(&mut self) -> Result<()> {
        let is_router = self.options.socket_type() == ZMQ_ROUTER;
        if is_router && self.options.flag(Opt::RouterRaw) {
            if self.pipes.len() > 0 {
                self.options.set_int(Opt::RouterRaw, 0);
                return Err(Error::Invalid);
            }
            self.pattern = pattern::raw_router(self.context.next_seed());
            for row in ROWS {
                self.pattern.option_changed(row.opt, &self.options);
            }
        }
        Ok(())
    }

    /// New high-water marks hold for live connections, too.
    fn set_limits(&mut self) {
        let send = self.options.int(Opt::SndHwm) as u32;
        let receive = self.options.int(Opt::RcvHwm) as u32;
        if self.options.flag(Opt::Conflate) && self.options.socket_type() != ZMQ_XPUB {
            return;
        }
        self.pipes.spill();
        let ids: Vec<_> = self.pipes.ids().collect();
        for id in ids {
            let Some(end) = self.pipes.end(id) else { continue };
            end.set_limits(receive, send);
            if end.is_connection() {
                self.pattern.writable(&mut self.pipes, id);
            }
        }
    }
}
