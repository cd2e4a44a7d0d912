//! Circles and levels of a graph of imports.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Where the arrows of each point lead.
pub(crate) type Graph = BTreeMap<usize, BTreeSet<usize>>;

pub(crate) fn graph(arrows: impl Iterator<Item = (usize, usize)>) -> Graph {
    let mut graph = Graph::new();
    for (from, to) in arrows {
        graph.entry(from).or_default().insert(to);
    }
    graph
}

/// Removes circles from a graph, the shortest first, until there are none. Each circle is a list of points;
/// no two of them share an arrow.
pub(crate) fn take_circles(graph: &mut Graph) -> Vec<Vec<usize>> {
    let mut circles = Vec::new();
    while let Some(circle) = shortest_circle(graph) {
        for (from, to) in arrows(&circle) {
            graph.entry(from).or_default().remove(&to);
        }
        circles.push(circle);
    }
    circles
}

/// The arrows of a circle. The last one leads back to the start.
pub(crate) fn arrows(circle: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    let next = circle.iter().cycle().skip(1);
    circle.iter().copied().zip(next.copied())
}

fn shortest_circle(graph: &Graph) -> Option<Vec<usize>> {
    graph.keys().filter_map(|start| way_back(graph, *start)).min_by_key(Vec::len)
}

/// The shortest path from a point back to itself.
fn way_back(graph: &Graph, start: usize) -> Option<Vec<usize>> {
    let mut came_from = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for next in graph.get(&at).into_iter().flatten() {
            if *next == start {
                let way = std::iter::successors(Some(at), |at| came_from.get(at).copied());
                let mut way: Vec<usize> = way.collect();
                way.reverse();
                return Some(way);
            }
            if !came_from.contains_key(next) {
                came_from.insert(*next, at);
                queue.push_back(*next);
            }
        }
    }
    None
}

/// The number of points in the longest chain. The graph must not have a circle.
pub(crate) fn levels(graph: &Graph) -> usize {
    let mut known = BTreeMap::new();
    graph.keys().map(|point| level(graph, *point, &mut known)).max().unwrap_or(1)
}

fn level(graph: &Graph, point: usize, known: &mut BTreeMap<usize, usize>) -> usize {
    if let Some(level) = known.get(&point) {
        return *level;
    }
    let below = graph.get(&point).into_iter().flatten().map(|next| level(graph, *next, known)).max();
    let level = below.unwrap_or(0) + 1;
    known.insert(point, level);
    level
}
